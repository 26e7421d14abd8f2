#include "tsdb/block/block_meta.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "tsdb/block/dir_file.h"

enum { META_VERSION = 1 };

#define ULID_DIGITS "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

bool ulid_is_valid(const char *name)
{
    return strlen(name) == ULID_CHARS && name[0] <= '7' && strspn(name, ULID_DIGITS) == ULID_CHARS;
}

ulid ulid_make(int64_t now_ms, fer_rng *rng)
{
    enum { TIME_BYTES = 6, BYTES = 16, DIGIT_BITS = 5 };
    uint8_t b[BYTES];
    rng->fill(rng, b + TIME_BYTES, BYTES - TIME_BYTES);
    for (int i = 0; i < TIME_BYTES; i++)
        b[i] = (uint8_t)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
    /* 128 bits are 26 digits with two zero bits in front. */
    ulid id = {.text = ""};
    unsigned have = 2, bits = 0, next = 0;
    for (int i = 0; i < ULID_CHARS; i++) {
        if (have < DIGIT_BITS) {
            bits = bits << 8 | b[next++];
            have += 8;
        }
        have -= DIGIT_BITS;
        id.text[i] = ULID_DIGITS[bits >> have & 31];
        bits &= (1U << have) - 1;
    }
    return id;
}

/* ---- reading ---- */

static fer_code bad(fer_err *err, const char *what)
{
    return fer_fail(err, FER_CORRUPT, "meta.json: %s", what);
}

/* Absent members and null are as good as zero, as in Prometheus. */
static fer_code get_int(const json_t *o, const char *key, int64_t *ret, fer_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL || json_is_null(v))
        return FER_OK;
    if (!json_is_integer(v))
        return fer_fail(err, FER_CORRUPT, "meta.json: %s is not an integer", key);
    *ret = json_integer_value(v);
    return FER_OK;
}

static fer_code get_count(const json_t *o, const char *key, uint64_t *ret, fer_err *err)
{
    int64_t v = 0;
    FER_TRY(get_int(o, key, &v, err));
    if (v < 0)
        return fer_fail(err, FER_CORRUPT, "meta.json: %s is negative", key);
    *ret = (uint64_t)v;
    return FER_OK;
}

static fer_code get_bool(const json_t *o, const char *key, bool *ret, fer_err *err)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL || json_is_null(v))
        return FER_OK;
    if (!json_is_boolean(v))
        return fer_fail(err, FER_CORRUPT, "meta.json: %s is not true or false", key);
    *ret = json_is_true(v);
    return FER_OK;
}

static fer_code get_ulid(const json_t *v, ulid *ret, fer_err *err)
{
    const char *s = json_string_value(v);
    if (s == NULL || json_string_length(v) != ULID_CHARS || !ulid_is_valid(s))
        return bad(err, "an identity is no ULID");
    memcpy(ret->text, s, ULID_CHARS + 1);
    return FER_OK;
}

/* A list member, NULL when it is not there; its length. */
static fer_code get_list(const json_t *o, const char *key, const json_t **ret, size_t *ret_n,
                         fer_err *err)
{
    const json_t *v = json_object_get(o, key);
    *ret = NULL;
    *ret_n = 0;
    if (v == NULL || json_is_null(v))
        return FER_OK;
    if (!json_is_array(v))
        return fer_fail(err, FER_CORRUPT, "meta.json: %s is not a list", key);
    *ret = v;
    *ret_n = json_array_size(v);
    return FER_OK;
}

static fer_code get_stats(const json_t *o, block_meta *m, fer_err *err)
{
    FER_TRY(get_count(o, "numSamples", &m->stats.samples, err));
    FER_TRY(get_count(o, "numFloatSamples", &m->stats.float_samples, err));
    FER_TRY(get_count(o, "numHistogramSamples", &m->stats.histogram_samples, err));
    FER_TRY(get_count(o, "numSeries", &m->stats.series, err));
    FER_TRY(get_count(o, "numChunks", &m->stats.chunks, err));
    return get_count(o, "numTombstones", &m->stats.tombstones, err);
}

static fer_code get_sources(const json_t *o, fer_arena *a, block_meta *m, fer_err *err)
{
    const json_t *list;
    FER_TRY(get_list(o, "sources", &list, &m->n_sources, err));
    m->sources = ARENA_ARRAY(a, ulid, m->n_sources);
    if (m->sources == NULL)
        return fer_fail_budget(err, "reading meta.json");
    for (size_t i = 0; i < m->n_sources; i++)
        FER_TRY(get_ulid(json_array_get(list, i), &m->sources[i], err));
    return FER_OK;
}

static fer_code get_parents(const json_t *o, fer_arena *a, block_meta *m, fer_err *err)
{
    const json_t *list;
    FER_TRY(get_list(o, "parents", &list, &m->n_parents, err));
    m->parents = ARENA_ARRAY(a, block_parent, m->n_parents);
    if (m->parents == NULL)
        return fer_fail_budget(err, "reading meta.json");
    for (size_t i = 0; i < m->n_parents; i++) {
        const json_t *p = json_array_get(list, i);
        FER_TRY(get_ulid(json_object_get(p, "ulid"), &m->parents[i].id, err));
        FER_TRY(get_int(p, "minTime", &m->parents[i].min_time, err));
        FER_TRY(get_int(p, "maxTime", &m->parents[i].max_time, err));
    }
    return FER_OK;
}

static fer_code get_hints(const json_t *o, fer_arena *a, block_meta *m, fer_err *err)
{
    const json_t *list;
    FER_TRY(get_list(o, "hints", &list, &m->n_hints, err));
    m->hints = ARENA_ARRAY(a, fer_str, m->n_hints);
    if (m->hints == NULL)
        return fer_fail_budget(err, "reading meta.json");
    for (size_t i = 0; i < m->n_hints; i++) {
        const json_t *v = json_array_get(list, i);
        if (!json_is_string(v))
            return bad(err, "a hint is no text");
        m->hints[i] = fer_arena_dup(a, (fer_str){json_string_value(v), json_string_length(v)});
        if (m->hints[i].p == NULL)
            return fer_fail_budget(err, "reading meta.json");
    }
    return FER_OK;
}

static fer_code from_json(const json_t *o, fer_arena *a, block_meta *m, fer_err *err)
{
    int64_t version = 0;
    if (!json_is_object(o))
        return bad(err, "not an object");
    FER_TRY(get_int(o, "version", &version, err));
    if (version != META_VERSION)
        return fer_fail(err, FER_CORRUPT, "meta.json: unexpected meta file version %" PRId64,
                        version);
    FER_TRY(get_ulid(json_object_get(o, "ulid"), &m->id, err));
    FER_TRY(get_int(o, "minTime", &m->min_time, err));
    FER_TRY(get_int(o, "maxTime", &m->max_time, err));
    if (m->min_time > m->max_time)
        return bad(err, "minTime is after maxTime");
    FER_TRY(get_stats(json_object_get(o, "stats"), m, err));
    const json_t *c = json_object_get(o, "compaction");
    FER_TRY(get_int(c, "level", &m->level, err));
    FER_TRY(get_sources(c, a, m, err));
    FER_TRY(get_bool(c, "deletable", &m->deletable, err));
    FER_TRY(get_parents(c, a, m, err));
    FER_TRY(get_bool(c, "failed", &m->failed, err));
    return get_hints(c, a, m, err);
}

fer_code block_meta_parse(fer_str json, fer_arena *a, block_meta *ret, fer_err *err)
{
    json_error_t why;
    json_t *o = json_loadb(json.p, json.n, 0, &why);
    if (o == NULL)
        return fer_fail(err, FER_CORRUPT, "meta.json: line %d: %s", why.line, why.text);
    block_meta m = {0};
    fer_code code = from_json(o, a, &m, err);
    json_decref(o);
    if (code == FER_OK)
        *ret = m;
    return code;
}

bool block_meta_has_hint(const block_meta *m, fer_str hint)
{
    for (size_t i = 0; i < m->n_hints; i++)
        if (str_eq(m->hints[i], hint))
            return true;
    return false;
}

/* ---- writing ---- */

/* Members of one object, one a line, comma-separated. */
typedef struct printer {
    fer_buf *out;
    unsigned depth;
    bool first;
} printer;

static void new_line(printer *p)
{
    fer_buf_putc(p->out, '\n');
    for (unsigned i = 0; i < p->depth; i++)
        fer_buf_putc(p->out, '\t');
}

static void item(printer *p)
{
    if (!p->first)
        fer_buf_putc(p->out, ',');
    p->first = false;
    new_line(p);
}

static void member(printer *p, const char *key)
{
    item(p);
    fer_buf_printf(p->out, "\"%s\": ", key);
}

static void open_scope(printer *p, char bracket)
{
    fer_buf_putc(p->out, bracket);
    p->depth++;
    p->first = true;
}

static void close_scope(printer *p, char bracket)
{
    p->depth--;
    if (!p->first)
        new_line(p);
    p->first = false;
    fer_buf_putc(p->out, bracket);
}

static void put_int(printer *p, const char *key, int64_t v)
{
    member(p, key);
    fer_buf_printf(p->out, "%" PRId64, v);
}

static void put_count(printer *p, const char *key, uint64_t v)
{
    if (v == 0)
        return;
    member(p, key);
    fer_buf_printf(p->out, "%" PRIu64, v);
}

static void put_true(printer *p, const char *key, bool v)
{
    if (!v)
        return;
    member(p, key);
    fer_buf_puts(p->out, STR("true"));
}

static void put_stats(printer *p, const block_meta *m)
{
    member(p, "stats");
    open_scope(p, '{');
    put_count(p, "numSamples", m->stats.samples);
    put_count(p, "numFloatSamples", m->stats.float_samples);
    put_count(p, "numHistogramSamples", m->stats.histogram_samples);
    put_count(p, "numSeries", m->stats.series);
    put_count(p, "numChunks", m->stats.chunks);
    put_count(p, "numTombstones", m->stats.tombstones);
    close_scope(p, '}');
}

static void put_sources(printer *p, const block_meta *m)
{
    if (m->n_sources == 0)
        return;
    member(p, "sources");
    open_scope(p, '[');
    for (size_t i = 0; i < m->n_sources; i++) {
        item(p);
        fer_buf_printf(p->out, "\"%s\"", m->sources[i].text);
    }
    close_scope(p, ']');
}

static void put_parents(printer *p, const block_meta *m)
{
    if (m->n_parents == 0)
        return;
    member(p, "parents");
    open_scope(p, '[');
    for (size_t i = 0; i < m->n_parents; i++) {
        item(p);
        open_scope(p, '{');
        member(p, "ulid");
        fer_buf_printf(p->out, "\"%s\"", m->parents[i].id.text);
        put_int(p, "minTime", m->parents[i].min_time);
        put_int(p, "maxTime", m->parents[i].max_time);
        close_scope(p, '}');
    }
    close_scope(p, ']');
}

static void put_hints(printer *p, const block_meta *m)
{
    if (m->n_hints == 0)
        return;
    member(p, "hints");
    open_scope(p, '[');
    for (size_t i = 0; i < m->n_hints; i++) {
        item(p);
        text_json(p->out, m->hints[i]);
    }
    close_scope(p, ']');
}

void block_meta_print(fer_buf *out, const block_meta *m)
{
    printer p = {.out = out};
    open_scope(&p, '{');
    member(&p, "ulid");
    fer_buf_printf(out, "\"%s\"", m->id.text);
    put_int(&p, "minTime", m->min_time);
    put_int(&p, "maxTime", m->max_time);
    put_stats(&p, m);
    member(&p, "compaction");
    open_scope(&p, '{');
    put_int(&p, "level", m->level);
    put_sources(&p, m);
    put_true(&p, "deletable", m->deletable);
    put_parents(&p, m);
    put_true(&p, "failed", m->failed);
    put_hints(&p, m);
    close_scope(&p, '}');
    put_int(&p, "version", META_VERSION);
    close_scope(&p, '}');
}

/* ---- files ---- */

fer_code block_meta_load(vfs *fs, const char *dir, fer_arena *a, block_meta *ret, fer_err *err)
{
    char path[PATH_MAX];
    FER_TRY(dir_file_path(path, dir, "meta.json", err));
    fer_str json;
    FER_TRY(vfs_read_all(fs, path, BLOCK_META_BYTES_MAX, a, &json, err));
    return block_meta_parse(json, a, ret, err);
}

fer_code block_meta_store(vfs *fs, const char *dir, const block_meta *m, fer_err *err)
{
    fer_buf json;
    fer_buf_init(&json, BLOCK_META_BYTES_MAX, NULL);
    block_meta_print(&json, m);
    fer_code code = json.full ? fer_fail(err, FER_LIMIT, "meta.json would be too long")
                              : dir_file_replace(fs, dir, "meta.json", fer_buf_str(&json), err);
    fer_buf_done(&json);
    return code;
}
