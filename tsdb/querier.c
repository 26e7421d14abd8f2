#include "tsdb/querier.h"

#include "base/str_sort.h"

enum { STR_LIST_CAP_MIN = 8 };

fer_code str_list_reserve(str_list *l, fer_arena *a, size_t more, fer_err *err)
{
    if (l->cap - l->n >= more)
        return FER_OK;
    size_t cap = l->n + more;
    fer_str *v = fer_arena_grow(a, l->v, l->cap * sizeof *v, cap * sizeof *v);
    if (v == NULL)
        return fer_fail_budget(err, "a list of texts");
    l->v = v;
    l->cap = cap;
    return FER_OK;
}

fer_code str_list_unite(str_list *l, fer_arena *a, const fer_str *v, size_t n, fer_err *err)
{
    if (str_contain_all(l->v, l->n, v, n))
        return FER_OK;
    str_list both = {0};
    FER_TRY(str_list_reserve(&both, a, l->n + n, err));
    both.n = str_unite(l->v, l->n, v, n, both.v);
    *l = both;
    return FER_OK;
}

fer_code str_list_add(str_list *l, fer_arena *a, fer_str text, fer_err *err)
{
    if (l->n == l->cap)
        FER_TRY(str_list_reserve(l, a, l->cap == 0 ? STR_LIST_CAP_MIN : l->cap, err));
    fer_str copy = fer_arena_dup(a, text);
    if (copy.p == NULL)
        return fer_fail_budget(err, "a list of texts");
    l->v[l->n++] = copy;
    return FER_OK;
}
