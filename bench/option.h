/* option.h - the command lines of measurements. */
#ifndef FERULA_BENCH_OPTION_H
#define FERULA_BENCH_OPTION_H

#include <stdbool.h>
#include <string.h>

/* Whether arg is name=TEXT; *ret is TEXT then. */
static inline bool option(const char *arg, const char *name, const char **ret)
{
    size_t n = strlen(name);
    if (strncmp(arg, name, n) != 0 || arg[n] != '=')
        return false;
    *ret = arg + n + 1;
    return true;
}

#endif
