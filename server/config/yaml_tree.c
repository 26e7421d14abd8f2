/* yaml_tree.c - libyaml events to a tree; aliases and merges are resolved as they come. */
#include "server/config/yaml_tree.h"

#include <yaml.h>

enum { DEPTH_MAX = 64, NODES_MAX = 1000000 };

typedef struct anchor {
    fer_str name;
    yaml_node *node;
    bool open; /* its node is still being read */
} anchor;

typedef struct builder {
    yaml_parser_t parser;
    fer_arena *a;
    fer_err *err;
    size_t nodes;
    anchor *anchors;
    size_t n_anchors, cap_anchors;
} builder;

static fer_code next_event(builder *b, yaml_event_t *ev)
{
    if (yaml_parser_parse(&b->parser, ev))
        return FER_OK;
    return fer_fail(b->err, FER_INVALID, "%zu: %s", b->parser.problem_mark.line + 1,
                    b->parser.problem != NULL ? b->parser.problem : "not YAML");
}

static fer_code no_memory(builder *b)
{
    return fer_fail_budget(b->err, "configuration");
}

static fer_code build(builder *b, yaml_event_t *ev, int depth, yaml_node **ret);
static fer_code begin_anchor(builder *b, const yaml_char_t *name, yaml_node *n, long *ret);
static void end_anchor(builder *b, long i);

static fer_code new_node(builder *b, yaml_kind kind, const yaml_event_t *ev, yaml_node **ret)
{
    yaml_node *n = ++b->nodes > NODES_MAX ? NULL : ARENA_NEW(b->a, yaml_node);
    if (n == NULL)
        return no_memory(b);
    n->kind = kind;
    n->line = (int)ev->start_mark.line + 1;
    *ret = n;
    return FER_OK;
}

static bool is_null_text(fer_str s)
{
    return s.n == 0 || str_eq(s, STR("~")) || str_eq(s, STR("null")) || str_eq(s, STR("Null")) ||
           str_eq(s, STR("NULL"));
}

static fer_code build_scalar(builder *b, const yaml_event_t *ev, yaml_node **ret)
{
    fer_str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
    bool quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    yaml_node *n = NULL;
    FER_TRY(new_node(b, !quoted && is_null_text(text) ? YAML_NULL : YAML_SCALAR, ev, &n));
    n->quoted = quoted;
    n->text = fer_arena_dup(b->a, text);
    if (n->text.p == NULL)
        return no_memory(b);
    long anchored;
    FER_TRY(begin_anchor(b, ev->data.scalar.anchor, n, &anchored));
    end_anchor(b, anchored);
    *ret = n;
    return FER_OK;
}

/* Room for one more at the end of a growing array of n things of `size` bytes; false when there is none. */
static bool room_for_one(builder *b, void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *grown = fer_arena_grow(b->a, *items, *cap * size, more * size);
    if (grown == NULL)
        return false;
    *items = grown;
    *cap = more;
    return true;
}

/* ---- anchors and aliases ---- */

/* Names n by the anchor of its event, if it has one; the index of the anchor goes to *ret, -1 for none. */
static fer_code begin_anchor(builder *b, const yaml_char_t *name, yaml_node *n, long *ret)
{
    *ret = -1;
    if (name == NULL)
        return FER_OK;
    void *items = b->anchors;
    bool ok = room_for_one(b, &items, b->n_anchors, &b->cap_anchors, sizeof *b->anchors);
    b->anchors = items;
    fer_str copy = ok ? fer_arena_dup(b->a, str_of((const char *)name)) : (fer_str){0};
    if (copy.p == NULL)
        return no_memory(b);
    *ret = (long)b->n_anchors;
    b->anchors[b->n_anchors++] = (anchor){copy, n, true};
    return FER_OK;
}

static void end_anchor(builder *b, long i)
{
    if (i >= 0)
        b->anchors[i].open = false;
}

static fer_code copy_node(builder *b, const yaml_node *from, yaml_node **ret)
{
    yaml_node *n = ++b->nodes > NODES_MAX ? NULL : ARENA_NEW(b->a, yaml_node);
    if (n == NULL)
        return no_memory(b);
    *n = *from;
    if (n->kind == YAML_LIST && n->n != 0) {
        n->items = ARENA_ARRAY(b->a, yaml_node *, n->n);
        if (n->items == NULL)
            return no_memory(b);
        for (size_t i = 0; i < n->n; i++)
            FER_TRY(copy_node(b, from->items[i], &n->items[i]));
    }
    if (n->kind == YAML_MAP && n->n != 0) {
        n->pairs = ARENA_ARRAY(b->a, yaml_pair, n->n);
        if (n->pairs == NULL)
            return no_memory(b);
        for (size_t i = 0; i < n->n; i++) {
            n->pairs[i] = from->pairs[i];
            FER_TRY(copy_node(b, from->pairs[i].value, &n->pairs[i].value));
        }
    }
    *ret = n;
    return FER_OK;
}

/* A name may be given anew: the last one before the alias counts. */
static fer_code build_alias(builder *b, const yaml_event_t *ev, yaml_node **ret)
{
    fer_str name = str_of((const char *)ev->data.alias.anchor);
    size_t line = ev->start_mark.line + 1;
    for (size_t i = b->n_anchors; i-- != 0;) {
        if (!str_eq(b->anchors[i].name, name))
            continue;
        if (b->anchors[i].open)
            return fer_fail(b->err, FER_INVALID, "%zu: anchor '%.*s' value contains itself", line,
                            STR_FMT(name));
        return copy_node(b, b->anchors[i].node, ret);
    }
    return fer_fail(b->err, FER_INVALID, "%zu: unknown anchor '%.*s' referenced", line,
                    STR_FMT(name));
}

/* ---- lists and mappings ---- */

static fer_code build_list(builder *b, const yaml_event_t *start, int depth, yaml_node **ret)
{
    yaml_node *n = NULL;
    size_t cap = 0;
    long anchored;
    FER_TRY(new_node(b, YAML_LIST, start, &n));
    FER_TRY(begin_anchor(b, start->data.sequence_start.anchor, n, &anchored));
    for (;;) {
        yaml_event_t ev;
        FER_TRY(next_event(b, &ev));
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            end_anchor(b, anchored);
            *ret = n;
            return FER_OK;
        }
        void *items = n->items;
        bool ok = room_for_one(b, &items, n->n, &cap, sizeof *n->items);
        n->items = items;
        fer_code c = ok ? build(b, &ev, depth + 1, &n->items[n->n]) : no_memory(b);
        yaml_event_delete(&ev);
        FER_TRY(c);
        n->n++;
    }
}

typedef struct map_builder {
    builder *b;
    yaml_node *map;
    size_t cap;
} map_builder;

static yaml_pair *find_pair(const yaml_node *map, fer_str key)
{
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->pairs[i].key, key))
            return &map->pairs[i];
    return NULL;
}

static fer_code add_pair(map_builder *m, const yaml_pair *p)
{
    void *pairs = m->map->pairs;
    bool ok = room_for_one(m->b, &pairs, m->map->n, &m->cap, sizeof *p);
    m->map->pairs = pairs;
    if (!ok)
        return no_memory(m->b);
    m->map->pairs[m->map->n++] = *p;
    return FER_OK;
}

/* Puts *p in; a key that is there already is replaced where one of both is merged, else an error. */
static fer_code put_pair(map_builder *m, const yaml_pair *p)
{
    yaml_pair *old = find_pair(m->map, p->key);
    if (old == NULL)
        return add_pair(m, p);
    if (!old->merged && !p->merged)
        return fer_fail(m->b->err, FER_INVALID,
                        "%d: mapping key \"%.*s\" already defined at line %d", p->key_line,
                        STR_FMT(p->key), old->key_line);
    *old = *p;
    old->again_line = p->key_line;
    return FER_OK;
}

static fer_code merge_map(map_builder *m, const yaml_node *from, int line)
{
    if (from->kind != YAML_MAP)
        return fer_fail(m->b->err, FER_INVALID,
                        "%d: map merge requires map or sequence of maps as the value", line);
    for (size_t i = 0; i < from->n; i++) {
        yaml_pair p = from->pairs[i];
        p.merged = true;
        FER_TRY(put_pair(m, &p));
    }
    return FER_OK;
}

static fer_code merge(map_builder *m, const yaml_node *from, int line)
{
    if (from->kind != YAML_LIST)
        return merge_map(m, from, line);
    for (size_t i = from->n; i-- != 0;)
        FER_TRY(merge_map(m, from->items[i], line));
    return FER_OK;
}

static bool is_merge(const yaml_event_t *ev)
{
    return ev->type == YAML_SCALAR_EVENT && ev->data.scalar.plain_implicit &&
           str_eq((fer_str){(const char *)ev->data.scalar.value, ev->data.scalar.length},
                  STR("<<"));
}

static fer_code read_key(builder *b, yaml_event_t *ev, int depth, yaml_pair *ret)
{
    yaml_node *key = NULL;
    ret->key_line = (int)ev->start_mark.line + 1;
    if (ev->type == YAML_SCALAR_EVENT || ev->type == YAML_ALIAS_EVENT)
        FER_TRY(build(b, ev, depth, &key));
    if (key == NULL || key->kind == YAML_LIST || key->kind == YAML_MAP)
        return fer_fail(b->err, FER_INVALID, "%d: a mapping key must be plain text", ret->key_line);
    ret->key = key->text;
    return FER_OK;
}

static fer_code read_pair(map_builder *m, yaml_event_t *key, int depth)
{
    builder *b = m->b;
    yaml_pair p = {0};
    yaml_event_t ev;
    bool merges = is_merge(key);
    FER_TRY(read_key(b, key, depth, &p));
    FER_TRY(next_event(b, &ev));
    fer_code c = build(b, &ev, depth + 1, &p.value);
    yaml_event_delete(&ev);
    FER_TRY(c);
    return merges ? merge(m, p.value, p.key_line) : put_pair(m, &p);
}

static fer_code build_map(builder *b, const yaml_event_t *start, int depth, yaml_node **ret)
{
    map_builder m = {.b = b};
    long anchored;
    FER_TRY(new_node(b, YAML_MAP, start, &m.map));
    FER_TRY(begin_anchor(b, start->data.mapping_start.anchor, m.map, &anchored));
    for (;;) {
        yaml_event_t ev;
        FER_TRY(next_event(b, &ev));
        bool end = ev.type == YAML_MAPPING_END_EVENT;
        fer_code c = end ? FER_OK : read_pair(&m, &ev, depth);
        yaml_event_delete(&ev);
        FER_TRY(c);
        if (end) {
            end_anchor(b, anchored);
            *ret = m.map;
            return FER_OK;
        }
    }
}

static fer_code build(builder *b, yaml_event_t *ev, int depth, yaml_node **ret)
{
    size_t line = ev->start_mark.line + 1;
    if (depth > DEPTH_MAX)
        return fer_fail(b->err, FER_INVALID, "%zu: nested deeper than %d levels", line, DEPTH_MAX);
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(b, ev, ret);
    case YAML_SEQUENCE_START_EVENT:
        return build_list(b, ev, depth, ret);
    case YAML_MAPPING_START_EVENT:
        return build_map(b, ev, depth, ret);
    case YAML_ALIAS_EVENT:
        return build_alias(b, ev, ret);
    default:
        return fer_fail(b->err, FER_INVALID, "%zu: unexpected end of the document", line);
    }
}

/* Stream start, document start, one node, document end, stream end. */
static fer_code build_document(builder *b, yaml_node **ret)
{
    yaml_event_t ev;
    FER_TRY(next_event(b, &ev));
    yaml_event_delete(&ev);
    FER_TRY(next_event(b, &ev));
    if (ev.type == YAML_STREAM_END_EVENT) {
        fer_code c = new_node(b, YAML_NULL, &ev, ret);
        yaml_event_delete(&ev);
        return c;
    }
    yaml_event_delete(&ev);
    FER_TRY(next_event(b, &ev));
    fer_code c = build(b, &ev, 0, ret);
    yaml_event_delete(&ev);
    FER_TRY(c);
    FER_TRY(next_event(b, &ev));
    yaml_event_delete(&ev);
    FER_TRY(next_event(b, &ev));
    bool more = ev.type != YAML_STREAM_END_EVENT;
    size_t line = ev.start_mark.line + 1;
    yaml_event_delete(&ev);
    return more ? fer_fail(b->err, FER_INVALID, "%zu: a second document", line) : FER_OK;
}

fer_code yaml_tree_parse(fer_str text, fer_arena *a, yaml_node **ret, fer_err *err)
{
    builder b = {.a = a, .err = err};
    if (!yaml_parser_initialize(&b.parser))
        return fer_fail(err, FER_NOMEM, "libyaml: out of memory");
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text.p, text.n);
    yaml_node *root = NULL;
    fer_code c = build_document(&b, &root);
    yaml_parser_delete(&b.parser);
    if (c == FER_OK)
        *ret = root;
    return c;
}

yaml_node *yaml_get(const yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->pairs[i].key, str_of(key)))
            return map->pairs[i].value;
    return NULL;
}
