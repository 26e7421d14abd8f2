/* str.h - string slices: a pointer and a length, passed by value.
 *
 * A fer_str never owns its bytes and is never NUL-dependent; whoever hands one
 * out says how long the bytes live. The bytes may be anything, NULs included.
 */
#ifndef FERULA_BASE_STR_H
#define FERULA_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct fer_str {
    const char *p;
    size_t n;
} fer_str;

/* For printf("%.*s", STR_FMT(s)). */
#define STR_FMT(s) (int)(s).n, (s).p

/* A slice of a string literal. */
#define STR(lit) ((fer_str){"" lit, sizeof(lit) - 1})

static inline fer_str str_of(const char *cstr)
{
    return (fer_str){cstr, strlen(cstr)};
}

static inline bool str_eq(fer_str a, fer_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Bytewise order; a proper prefix sorts first. */
static inline int str_cmp(fer_str a, fer_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (c != 0)
        return c;
    return (a.n > b.n) - (a.n < b.n);
}

static inline bool str_has_prefix(fer_str s, fer_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_has_suffix(fer_str s, fer_str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The part of s from `from` on; empty when past the end. */
static inline fer_str str_from(fer_str s, size_t from)
{
    if (s.n == 0) /* s.p may be NULL, to which not even 0 may be added */
        return s;
    return from >= s.n ? (fer_str){s.p + s.n, 0} : (fer_str){s.p + from, s.n - from};
}

/* The first n bytes of s, or all of it. */
static inline fer_str str_head(fer_str s, size_t n)
{
    return (fer_str){s.p, n < s.n ? n : s.n};
}

#endif
