/* head_view.h - numberings of the head's labels that a querier uses, and the query's ids of what it met there.
 *
 * Threads: one querier's; what says so under publish.
 */
#ifndef FERULA_TSDB_HEAD_VIEW_H
#define FERULA_TSDB_HEAD_VIEW_H

#include "tsdb/head/head.h"
#include "tsdb/querier.h"

/* Pair id to the query's label ids: open addressing, at most half full. */
typedef struct pair_map_entry pair_map_entry;

typedef struct names_view names_view;
struct names_view {
    names_view *next;
    head_names *names; /* kept until the views are dropped */
    pair_map_entry *map;
    uint32_t map_n, map_cap;
    uint32_t *name_ids; /* the query's ids by the head's, SYM_NONE while not asked for */
    uint32_t n_name_ids;
};

/* The view of the head's present names, made where *views has none; NULL past the budget. Under publish. */
names_view *names_view_now(head *h, names_view **views, fer_arena *a);
/* Lets go of the names of all. */
void names_views_drop(head *h, names_view *views);

/* The query's id of a label name of the head; SYM_NONE past the budget. */
uint32_t names_view_name(names_view *v, const query_ctx *ctx, uint32_t name);
/* The query's ids of a pair; false past the budget. */
FER_MUST_CHECK bool names_view_pair(names_view *v, const query_ctx *ctx, uint32_t pair,
                                    label_id *ret);

#endif
