/* head_querier_int.h - what head_querier.c and head_texts.c share. */
#ifndef FERULA_TSDB_HEAD_QUERIER_INT_H
#define FERULA_TSDB_HEAD_QUERIER_INT_H

#include "tsdb/head/head_querier.h"
#include "tsdb/head/head_view.h"

/* Deletions in force at a select, kept until the querier closes. */
typedef struct held_stones held_stones;

typedef struct head_querier head_querier;
struct head_querier {
    querier base;
    head *h;
    head_reader reader;
    query_warnings *warnings; /* NULL before the first select, unless given */
    names_view *views;
    held_stones *stones;
};

/* The view of the head's present names; NULL past the budget. Takes publish. */
static inline names_view *head_querier_view(head_querier *q)
{
    fer_mutex_lock(&q->h->publish);
    names_view *v = names_view_now(q->h, &q->views, q->base.ctx.arena);
    fer_mutex_unlock(&q->h->publish);
    return v;
}

/* Label names, or the values of `name` unless it is empty, added to *ret in order, each once. */
FER_MUST_CHECK fer_code head_texts(querier *base, fer_str name, const matcher *m, size_t nm,
                                   uint64_t limit, str_list *ret, fer_err *err);

#endif
