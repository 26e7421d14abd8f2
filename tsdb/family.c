/* family.c - the endings of the names of series. */
#include "tsdb/family.h"

#include <stddef.h>

static const char *const of_parts[] = {"", "_bucket", "_count", "_sum", "_gcount", "_gsum", NULL};
static const char *const of_counters[] = {"", "_total", NULL};
static const char *const of_infos[] = {"", "_info", NULL};
static const char *const of_others[] = {"", NULL};

static bool has_parts(uint32_t type)
{
    return type == FAMILY_HISTOGRAM || type == FAMILY_GAUGE_HISTOGRAM || type == FAMILY_SUMMARY;
}

const char *const *family_endings(uint32_t type)
{
    if (has_parts(type))
        return of_parts;
    return type == FAMILY_COUNTER ? of_counters : type == FAMILY_INFO ? of_infos : of_others;
}

fer_str family_of(fer_str name, uint32_t type)
{
    for (size_t i = 1; has_parts(type) && of_parts[i] != NULL; i++) {
        fer_str end = str_of(of_parts[i]);
        if (name.n > end.n && str_has_suffix(name, end))
            return str_head(name, name.n - end.n);
    }
    return name;
}
