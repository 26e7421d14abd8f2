/* shim.h - the C face of the C++ below base: RE2 and fast_float.
 *
 * Only num.c and regex.c include it. No exception leaves it: where C++ could throw (out of memory)
 * the process stops, as fer_alloc does. Threads: any; a compiled expression is immutable.
 */
#ifndef FERULA_BASE_SHIM_H
#define FERULA_BASE_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads decimal text that the caller has already checked: digits, at most one point, an optional
 * exponent, no sign. Too large gives infinity, too small zero. */
double shim_parse_decimal(const char *p, size_t n);

typedef struct shim_re shim_re;

/* RE2's reasons to refuse a pattern. */
typedef enum shim_re_code {
    SHIM_RE_OK,
    SHIM_RE_INTERNAL,
    SHIM_RE_BAD_ESCAPE,
    SHIM_RE_BAD_CLASS,
    SHIM_RE_BAD_RANGE,
    SHIM_RE_MISSING_BRACKET,
    SHIM_RE_MISSING_PAREN,
    SHIM_RE_UNEXPECTED_PAREN,
    SHIM_RE_TRAILING_BACKSLASH,
    SHIM_RE_REPEAT_ARGUMENT,
    SHIM_RE_REPEAT_SIZE,
    SHIM_RE_REPEAT_OP,
    SHIM_RE_BAD_PERL_OP,
    SHIM_RE_BAD_UTF8,
    SHIM_RE_BAD_NAMED_CAPTURE,
    SHIM_RE_TOO_LARGE,
} shim_re_code;

typedef struct shim_re_error {
    shim_re_code code;
    size_t arg_n;
    char arg[512]; /* the offending part of the pattern, cut to fit; not NUL-terminated */
} shim_re_error;

/* Compiles a UTF-8 pattern in Perl syntax where `.` matches newlines too; program and caches take
 * at most max_bytes. NULL with *err filled when RE2 refuses. The caller owns the result. */
shim_re *shim_re_new(const char *p, size_t n, int64_t max_bytes, shim_re_error *err);
void shim_re_free(shim_re *re);

typedef struct shim_span {
    const char *p; /* NULL: the group did not take part */
    size_t n;
} shim_span;

/* Whether all of the text matches. Fills groups[0..n), group 0 being the text; n may be 0. */
bool shim_re_match(const shim_re *re, const char *p, size_t n, shim_span *groups, size_t groups_n);
size_t shim_re_group_count(const shim_re *re);
/* Index of the group with that name, or -1. */
int shim_re_group_index(const shim_re *re, const char *name, size_t n);

#ifdef __cplusplus
}
#endif

#endif
