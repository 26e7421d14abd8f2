#include "tsdb/query_warnings.h"

#include <stdio.h>

enum { TEXT_MAX = FER_ERR_MSG_MAX };

static void free_warnings(void *arg)
{
    query_warnings *w = arg;
    fer_mutex_done(&w->mu);
    fer_arena_free(w->arena);
}

query_warnings *query_warnings_new(const query_ctx *ctx, str_list *list)
{
    query_warnings *w = ARENA_NEW(ctx->arena, query_warnings);
    fer_str *room = ARENA_ARRAY(ctx->arena, fer_str, WARNINGS_MAX);
    if (w == NULL || room == NULL || !fer_arena_on_close(ctx->arena, free_warnings, w))
        return NULL;
    fer_mutex_init(&w->mu, "query.warnings", RANK_QUERY_WARNINGS);
    w->arena = fer_arena_new(ctx->acct, 0);
    w->list = list;
    *list = (str_list){.v = room, .cap = WARNINGS_MAX};
    return w;
}

static bool is_known(const str_list *l, fer_str text)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->v[i], text))
            return true;
    return false;
}

static void add(query_warnings *w, fer_str text)
{
    if (w->list->n == WARNINGS_MAX || is_known(w->list, text))
        return;
    if (w->list->n == WARNINGS_MAX - 1)
        text = STR("more data could not be read");
    fer_str copy = fer_arena_dup(w->arena, text);
    if (copy.p != NULL) /* past the budget the query fails anyway */
        w->list->v[w->list->n++] = copy;
}

void query_warn(query_warnings *w, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    fer_mutex_lock(&w->mu);
    add(w, (fer_str){text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1});
    fer_mutex_unlock(&w->mu);
}
