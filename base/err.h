/* err.h - error kinds a caller can act on, and one bounded message for people.
 *
 * Functions return a fer_code; those whose failure a person reads also take a
 * fer_err last (which may be NULL). `ret` parameters are untouched on failure.
 * Programming errors assert; asserts stay on in release builds.
 */
#ifndef FERULA_BASE_ERR_H
#define FERULA_BASE_ERR_H

#include <assert.h>
#include <stdarg.h>

typedef enum fer_code {
    FER_OK = 0,
    FER_END,         /* no more items; not a failure */
    FER_NOMEM,       /* a library below us could not allocate */
    FER_IO,          /* the system refused a file or socket operation; err->sys is errno */
    FER_NOSPACE,     /* ENOSPC or EDQUOT */
    FER_CORRUPT,     /* stored bytes are not what they must be */
    FER_INVALID,     /* the caller's input is wrong */
    FER_LIMIT,       /* a budget or limit is reached */
    FER_CANCELED,    /* the caller no longer wants the result */
    FER_TIMEOUT,     /* the time allowed is over */
    FER_NOTFOUND,    /* the named thing does not exist */
    FER_EXISTS,      /* the named thing exists already */
    FER_BUSY,        /* not now; the same call may succeed later */
    FER_UNSUPPORTED, /* known, but not in this version */
} fer_code;

enum { FER_ERR_MSG_MAX = 2048 };

typedef struct fer_err {
    fer_code code;
    int sys; /* errno, or 0 */
    char msg[FER_ERR_MSG_MAX];
} fer_err;

#define FER_MUST_CHECK __attribute__((warn_unused_result))
#define FER_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fills err (when not NULL) and returns code, which is not FER_OK. */
fer_code fer_fail(fer_err *err, fer_code code, const char *fmt, ...) FER_PRINTF(3, 4);
fer_code fer_vfail(fer_err *err, fer_code code, const char *fmt, va_list ap);

/* As fer_fail, with ": strerror(sys)" appended; code is FER_NOSPACE for ENOSPC and EDQUOT,
 * FER_NOTFOUND for ENOENT, FER_EXISTS for EEXIST, else FER_IO. */
fer_code fer_fail_sys(fer_err *err, int sys, const char *fmt, ...) FER_PRINTF(3, 4);

/* Tells compilers and analysers what they cannot see: who fails does not return FER_OK. */
static inline fer_code fer_not_ok(fer_code code)
{
    assert(code != FER_OK);
    return code;
}
#define fer_fail(...) fer_not_ok(fer_fail(__VA_ARGS__))
#define fer_fail_sys(...) fer_not_ok(fer_fail_sys(__VA_ARGS__))

/* Puts "text: " in front of the message. Returns err->code, or FER_OK for NULL. */
fer_code fer_err_prefix(fer_err *err, const char *fmt, ...) FER_PRINTF(2, 3);

/* "ok", "io", "corrupt", ...; static text. */
const char *fer_code_name(fer_code code);

/* Returns from the calling function when the expression fails. */
#define FER_TRY(expr)                                                                              \
    do {                                                                                           \
        fer_code fer_try_code_ = (expr);                                                           \
        if (fer_try_code_ != FER_OK)                                                               \
            return fer_try_code_;                                                                  \
    } while (0)

/* Calls fn(&variable) when the variable's scope ends. */
#define FER_CLEANUP(fn) __attribute__((cleanup(fn)))

#endif
