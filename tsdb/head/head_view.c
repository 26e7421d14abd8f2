/* head_view.c */
#include "tsdb/head/head_view.h"

#include <string.h>

struct pair_map_entry {
    uint32_t pair; /* DICT_NONE: empty */
    label_id id;
};

static pair_map_entry *map_place(pair_map_entry *map, uint32_t cap, uint32_t pair)
{
    /* The upper bits: ids often lie at even distances, which the lower ones keep. */
    uint32_t at = (uint32_t)((uint64_t)(pair * 2654435761U) * cap >> 32);
    while (map[at].pair != pair && map[at].pair != DICT_NONE)
        at = (at + 1) & (cap - 1);
    return &map[at];
}

static bool map_grow(names_view *v, fer_arena *a)
{
    uint32_t cap = v->map_cap == 0 ? 64 : v->map_cap * 2;
    pair_map_entry *map = fer_arena_alloc(a, cap * sizeof *map);
    if (map == NULL)
        return false;
    memset(map, 0xff, cap * sizeof *map);
    for (uint32_t i = 0; i < v->map_cap; i++)
        if (v->map[i].pair != DICT_NONE)
            *map_place(map, cap, v->map[i].pair) = v->map[i];
    v->map = map;
    v->map_cap = cap;
    return true;
}

uint32_t names_view_name(names_view *v, const query_ctx *ctx, uint32_t name)
{
    if (name >= v->n_name_ids) {
        uint32_t n = name + 64;
        uint32_t *p =
            fer_arena_grow(ctx->arena, v->name_ids, v->n_name_ids * sizeof *p, n * sizeof *p);
        if (p == NULL)
            return SYM_NONE;
        memset(p + v->n_name_ids, 0xff, (n - v->n_name_ids) * sizeof *p);
        v->name_ids = p;
        v->n_name_ids = n;
    }
    if (v->name_ids[name] == SYM_NONE)
        v->name_ids[name] = syms_intern(ctx->syms, dict_name_text(&v->names->dict, name));
    return v->name_ids[name];
}

bool names_view_pair(names_view *v, const query_ctx *ctx, uint32_t pair, label_id *ret)
{
    if (v->map_n * 2 >= v->map_cap && !map_grow(v, ctx->arena))
        return false;
    pair_map_entry *e = map_place(v->map, v->map_cap, pair);
    if (e->pair == DICT_NONE) {
        /* Copied: a result's texts are read after the querier has gone. */
        label_id id = {names_view_name(v, ctx, dict_pair_of(&v->names->dict, pair)->name),
                       syms_intern(ctx->syms, dict_pair_value(&v->names->dict, pair))};
        if (id.name == SYM_NONE || id.value == SYM_NONE)
            return false;
        *e = (pair_map_entry){pair, id};
        v->map_n++;
    }
    *ret = e->id;
    return true;
}

names_view *names_view_now(head *h, names_view **views, fer_arena *a)
{
    for (names_view *v = *views; v != NULL; v = v->next)
        if (v->names == h->names)
            return v;
    names_view *v = ARENA_NEW(a, names_view);
    if (v == NULL)
        return NULL;
    v->names = head_names_take(h);
    v->next = *views;
    *views = v;
    return v;
}

void names_views_drop(head *h, names_view *views)
{
    for (names_view *v = views; v != NULL; v = v->next) {
        fer_mutex_lock(&h->publish);
        head_names *gone = head_names_drop(h, v->names);
        fer_mutex_unlock(&h->publish);
        head_names_free(gone);
    }
}
