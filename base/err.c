/* err.c - error values. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

fer_code fer_vfail(fer_err *err, fer_code code, const char *fmt, va_list ap)
{
    if (err == NULL)
        return code;
    err->code = code;
    err->sys = 0;
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    return code;
}

fer_code(fer_fail)(fer_err *err, fer_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fer_vfail(err, code, fmt, ap);
    va_end(ap);
    return code;
}

static fer_code code_of_errno(int sys)
{
    switch (sys) {
    case ENOSPC:
    case EDQUOT:
        return FER_NOSPACE;
    case ENOENT:
        return FER_NOTFOUND;
    case EEXIST:
        return FER_EXISTS;
    case ENOMEM:
        return FER_NOMEM;
    default:
        return FER_IO;
    }
}

fer_code(fer_fail_sys)(fer_err *err, int sys, const char *fmt, ...)
{
    fer_code code = code_of_errno(sys);
    if (err == NULL)
        return code;
    va_list ap;
    va_start(ap, fmt);
    fer_vfail(err, code, fmt, ap);
    va_end(ap);
    err->sys = sys;
    size_t n = strlen(err->msg);
    char text[128];
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror_r(sys, text, sizeof text));
    return code;
}

fer_code fer_err_prefix(fer_err *err, const char *fmt, ...)
{
    if (err == NULL)
        return FER_OK;
    char old[FER_ERR_MSG_MAX];
    memcpy(old, err->msg, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", old);
    return err->code;
}

const char *fer_code_name(fer_code code)
{
    static const char *const names[] = {
        [FER_OK] = "ok",
        [FER_END] = "end",
        [FER_NOMEM] = "out of memory",
        [FER_IO] = "io",
        [FER_NOSPACE] = "no space",
        [FER_CORRUPT] = "corrupt",
        [FER_INVALID] = "invalid",
        [FER_LIMIT] = "limit",
        [FER_CANCELED] = "canceled",
        [FER_TIMEOUT] = "timeout",
        [FER_NOTFOUND] = "not found",
        [FER_EXISTS] = "exists",
        [FER_BUSY] = "busy",
        [FER_UNSUPPORTED] = "unsupported",
    };
    return names[code];
}
