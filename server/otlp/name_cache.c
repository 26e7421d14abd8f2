#include "server/otlp/name_cache.h"

#include "base/mem.h"

enum { ENTRIES = 1024, NAME_BYTES_MAX = 100 };

typedef struct entry {
    fer_hash128 key;
    uint32_t n; /* 0: empty */
    char text[NAME_BYTES_MAX];
} entry;

struct otlp_name_cache {
    entry e[ENTRIES];
};

otlp_name_cache *otlp_name_cache_new(void)
{
    return fer_calloc(1, sizeof(otlp_name_cache));
}

void otlp_name_cache_free(otlp_name_cache *c)
{
    fer_free(c);
}

fer_str otlp_name_cache_get(const otlp_name_cache *c, fer_hash128 key)
{
    const entry *e = &c->e[key.lo % ENTRIES];
    bool is_it = e->key.lo == key.lo && e->key.hi == key.hi;
    return is_it ? (fer_str){e->text, e->n} : STR("");
}

void otlp_name_cache_put(otlp_name_cache *c, fer_hash128 key, fer_str name)
{
    if (name.n > NAME_BYTES_MAX)
        return;
    entry *e = &c->e[key.lo % ENTRIES];
    e->key = key;
    e->n = (uint32_t)name.n;
    memcpy(e->text, name.p, name.n);
}
