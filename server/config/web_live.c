/* web_live.c - one file, one stamp, one configuration or error. */
#include "server/config/web_live.h"

#include <stdio.h>

#include "base/mem.h"
#include "server/config/file_stamp.h"

enum { PLACE_EXTRA_BYTES = 16 };

struct web_live {
    char *path, *place;
    bool read;
    file_stamp stamp;
    uint64_t generation;
    web_config *config; /* NULL: err tells why */
    fer_err err;
};

web_live *web_live_new(const char *path)
{
    web_live *l = fer_calloc(1, sizeof *l);
    fer_str p = str_of(path);
    l->path = fer_memdup0(p.p, p.n);
    l->place = fer_alloc(p.n + PLACE_EXTRA_BYTES);
    return l;
}

void web_live_free(web_live *l)
{
    if (l == NULL)
        return;
    web_config_free(l->config);
    fer_free(l->path);
    fer_free(l->place);
    fer_free(l);
}

/* The stamp is taken before the bytes: what changes in between is seen by the next call. */
static void read_again(web_live *l, const file_stamp *now)
{
    int line;
    web_config_free(l->config);
    l->config = NULL;
    l->read = true;
    l->stamp = *now;
    l->generation++;
    if (web_config_load(l->path, &l->config, &line, &l->err) != FER_OK)
        l->config = NULL;
    size_t room = str_of(l->path).n + PLACE_EXTRA_BYTES;
    if (line != 0)
        snprintf(l->place, room, "%s:%d", l->path, line);
    else
        snprintf(l->place, room, "%s", l->path);
}

fer_code web_live_get(web_live *l, const web_config **ret, uint64_t *ret_generation, fer_err *err)
{
    file_stamp now = file_stamp_of(l->path);
    if (!l->read || !file_stamp_eq(&now, &l->stamp))
        read_again(l, &now);
    if (ret_generation != NULL)
        *ret_generation = l->generation;
    if (l->config == NULL)
        return fer_fail(err, l->err.code, "%s", l->err.msg);
    *ret = l->config;
    return FER_OK;
}

const char *web_live_place(const web_live *l)
{
    return l->place;
}
