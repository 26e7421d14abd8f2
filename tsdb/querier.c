#include "tsdb/querier.h"

enum { STR_LIST_CAP_MIN = 8 };

fer_code str_list_add(str_list *l, fer_arena *a, fer_str text, fer_err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? STR_LIST_CAP_MIN : l->cap * 2;
        fer_str *v = fer_arena_grow(a, l->v, l->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return fer_fail_budget(err, "a list of texts");
        l->v = v;
        l->cap = cap;
    }
    fer_str copy = fer_arena_dup(a, text);
    if (copy.p == NULL)
        return fer_fail_budget(err, "a list of texts");
    l->v[l->n++] = copy;
    return FER_OK;
}
