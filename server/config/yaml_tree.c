/* yaml_tree.c - libyaml events to a tree. */
#include "server/config/yaml_tree.h"

#include <yaml.h>

enum { DEPTH_MAX = 64, NODES_MAX = 1000000 };

typedef struct builder {
    yaml_parser_t parser;
    fer_arena *a;
    fer_err *err;
    size_t nodes;
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
    *ret = n;
    return FER_OK;
}

static fer_code build_list(builder *b, const yaml_event_t *start, int depth, yaml_node **ret)
{
    yaml_node *n = NULL;
    size_t cap = 0;
    FER_TRY(new_node(b, YAML_LIST, start, &n));
    for (;;) {
        yaml_event_t ev;
        FER_TRY(next_event(b, &ev));
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            *ret = n;
            return FER_OK;
        }
        if (n->n == cap) {
            size_t more = cap == 0 ? 8 : cap * 2;
            n->items =
                fer_arena_grow(b->a, n->items, cap * sizeof *n->items, more * sizeof *n->items);
            cap = more;
        }
        fer_code c = n->items == NULL ? no_memory(b) : build(b, &ev, depth + 1, &n->items[n->n]);
        yaml_event_delete(&ev);
        FER_TRY(c);
        n->n++;
    }
}

static fer_code read_key(builder *b, const yaml_node *map, const yaml_event_t *ev, yaml_pair *ret)
{
    int line = (int)ev->start_mark.line + 1;
    if (ev->type != YAML_SCALAR_EVENT)
        return fer_fail(b->err, FER_INVALID, "%d: a mapping key must be plain text", line);
    fer_str key = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
    for (size_t i = 0; i < map->n; i++)
        if (str_eq(map->pairs[i].key, key))
            return fer_fail(b->err, FER_INVALID,
                            "%d: mapping key \"%.*s\" already defined at line %d", line,
                            STR_FMT(key), map->pairs[i].key_line);
    ret->key = fer_arena_dup(b->a, key);
    ret->key_line = line;
    return ret->key.p == NULL ? no_memory(b) : FER_OK;
}

static fer_code build_map(builder *b, const yaml_event_t *start, int depth, yaml_node **ret)
{
    yaml_node *n = NULL;
    size_t cap = 0;
    FER_TRY(new_node(b, YAML_MAP, start, &n));
    for (;;) {
        yaml_event_t ev;
        FER_TRY(next_event(b, &ev));
        if (ev.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&ev);
            *ret = n;
            return FER_OK;
        }
        if (n->n == cap) {
            size_t more = cap == 0 ? 8 : cap * 2;
            n->pairs =
                fer_arena_grow(b->a, n->pairs, cap * sizeof *n->pairs, more * sizeof *n->pairs);
            cap = more;
        }
        fer_code c = n->pairs == NULL ? no_memory(b) : read_key(b, n, &ev, &n->pairs[n->n]);
        yaml_event_delete(&ev);
        FER_TRY(c);
        FER_TRY(next_event(b, &ev));
        c = build(b, &ev, depth + 1, &n->pairs[n->n].value);
        yaml_event_delete(&ev);
        FER_TRY(c);
        n->n++;
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
        return fer_fail(b->err, FER_INVALID, "%zu: aliases are not supported", line);
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
