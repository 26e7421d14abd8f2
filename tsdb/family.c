/* family.c - the endings of histograms and summaries. */
#include "tsdb/family.h"

#include <stddef.h>

static const char *const endings[] = {"", "_bucket", "_count", "_sum", "_gcount", "_gsum"};

const char *family_ending(uint32_t type, size_t i)
{
    bool has_parts =
        type == FAMILY_HISTOGRAM || type == FAMILY_GAUGE_HISTOGRAM || type == FAMILY_SUMMARY;
    return i < (has_parts ? sizeof endings / sizeof *endings : 1) ? endings[i] : NULL;
}

fer_str family_of(fer_str name, uint32_t type)
{
    const char *ending;
    for (size_t i = 1; (ending = family_ending(type, i)) != NULL; i++) {
        fer_str end = str_of(ending);
        if (name.n > end.n && str_has_suffix(name, end))
            return str_head(name, name.n - end.n);
    }
    return name;
}
