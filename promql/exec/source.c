/* source.c - selections, shared between the parts of a query that read the same series. */
#include "promql/exec/source.h"

/* Decoded samples kept for further readers of a shared selection, per query. */
enum { KEPT_BYTES_MAX = 64 << 20 };

static bool same_matchers(const source *s, const expr_selector *sel)
{
    if (s->nm != sel->n_matchers)
        return false;
    for (size_t i = 0; i < s->nm; i++)
        if (s->m[i].type != sel->matchers[i].type || !str_eq(s->m[i].name, sel->matchers[i].name) ||
            !str_eq(s->m[i].value, sel->matchers[i].value))
            return false;
    return true;
}

/* Reading the union must not read much that neither needs (think of x / x offset 1w). */
static bool worth_sharing(const source *s, int64_t mint, int64_t maxt)
{
    int64_t lo = mint < s->hints.mint ? mint : s->hints.mint;
    int64_t hi = maxt > s->hints.maxt ? maxt : s->hints.maxt;
    int64_t a = ms_sub(maxt, mint), b = ms_sub(s->hints.maxt, s->hints.mint);
    int64_t longer = a > b ? a : b;
    return ms_sub(hi, lo) <= ms_add(longer, longer / 2);
}

static void close_samples(void *arg)
{
    samples_done(arg);
}

static fer_code cursor_begin(query *q, source *s, source_cursor *ret)
{
    *ret = (source_cursor){.s = s};
    samples_init(&ret->buf, q->ctx.acct);
    if (!fer_arena_on_close(q->scratch, close_samples, &ret->buf))
        return query_no_memory(q);
    return FER_OK;
}

fer_code source_use(query *q, const plan *p, const expr_selector *sel, source_range range,
                    source_cursor *ret)
{
    int64_t mint = range.mint, maxt = range.maxt;
    source *s = q->sources;
    while (s != NULL && !(same_matchers(s, sel) && worth_sharing(s, mint, maxt)))
        s = s->next;
    if (s == NULL) {
        s = QUERY_NEW(q, source);
        if (s == NULL)
            return QUERY_NOMEM(q);
        s->m = sel->matchers;
        s->nm = sel->n_matchers;
        s->hints = (select_hints){.mint = mint,
                                  .maxt = maxt,
                                  .step_ms = range.step_ms,
                                  .range_ms = p->range_ms,
                                  .func = p->hint_func};
        source **at = &q->sources; /* selects run in the order written */
        while (*at != NULL)
            at = &(*at)->next;
        *at = s;
    }
    /* Two readers of the newest sample may look at different times, and at different labels. */
    s->hints.newest_only = s->uses == 0 && range.newest_only;
    s->hints.labels = s->uses == 0 ? range.labels : NULL;
    s->uses++;
    s->hints.mint = mint < s->hints.mint ? mint : s->hints.mint;
    s->hints.maxt = maxt > s->hints.maxt ? maxt : s->hints.maxt;
    q->mint = mint < q->mint ? mint : q->mint;
    q->maxt = maxt > q->maxt ? maxt : q->maxt;

    return cursor_begin(q, s, ret);
}

fer_code cursor_copy(query *q, const source_cursor *of, source_cursor *ret)
{
    return cursor_begin(q, of->s, ret);
}

static void close_kept(void *arg)
{
    source *s = arg;
    for (size_t i = 0; i < s->n_kept; i++)
        samples_done(&s->kept[i]);
}

static fer_code open_one(query *q, source *s)
{
    FER_TRY(querier_select(q->querier, &s->hints, s->m, s->nm, &s->sel, q->err));
    if (s->uses < 2 || s->sel->n == 0)
        return FER_OK;
    /* Without room for the books, every reader decodes for itself. */
    size_t bytes = s->sel->n * (sizeof *s->kept + sizeof *s->reads);
    if (bytes > KEPT_BYTES_MAX / 4)
        return FER_OK;
    s->reads = QUERY_ARRAY(q, uint32_t, s->sel->n);
    s->kept = QUERY_ARRAY(q, samples, s->sel->n);
    if (s->reads == NULL || s->kept == NULL)
        return QUERY_NOMEM(q);
    s->n_kept = s->sel->n;
    for (size_t i = 0; i < s->n_kept; i++)
        samples_init(&s->kept[i], q->ctx.acct);
    if (!fer_arena_on_close(q->scratch, close_kept, s))
        return query_no_memory(q);
    return FER_OK;
}

fer_code sources_open(query *q)
{
    if (q->sources == NULL)
        return FER_OK;
    FER_TRY(storage_querier(q->st, &q->ctx, q->mint, q->maxt, &q->querier, q->err));
    for (source *s = q->sources; s != NULL; s = s->next) {
        FER_TRY(query_check(q));
        FER_TRY(open_one(q, s));
    }
    return FER_OK;
}

void sources_close(query *q)
{
    querier_close(q->querier);
    q->querier = NULL;
}

static size_t bytes_of(const samples *s)
{
    return s->cap * (sizeof *s->t + sizeof *s->v);
}

static fer_code read_into(query *q, source *s, size_t i, samples *to)
{
    samples_clear(to);
    FER_TRY(selection_read(s->sel, i, s->hints.mint, s->hints.maxt, to, q->err));
    return query_work(q, to->n);
}

/* A shared series: decoded by the first reader, let go by the last. */
static fer_code read_shared(query *q, source_cursor *c, const samples **ret)
{
    source *s = c->s;
    samples *kept = &s->kept[c->i];
    s->reads[c->i]++;
    if (kept->n == 0) {
        FER_TRY(read_into(q, s, c->i, &c->buf));
        *ret = &c->buf;
        if (s->reads[c->i] == 1 && q->kept_bytes + bytes_of(&c->buf) <= KEPT_BYTES_MAX) {
            *kept = c->buf;
            samples_init(&c->buf, q->ctx.acct);
            q->kept_bytes += bytes_of(kept);
            *ret = kept;
        }
        return FER_OK;
    }
    *ret = kept;
    if (s->reads[c->i] == s->uses) {
        q->kept_bytes -= bytes_of(kept);
        samples_done(&c->buf);
        c->buf = *kept;
        samples_init(kept, q->ctx.acct);
        *ret = &c->buf;
    }
    return query_work(q, 1);
}

fer_code cursor_next(query *q, source_cursor *c, const samples **ret)
{
    if (c->i == c->s->sel->n)
        return FER_END;
    if (c->s->kept != NULL) {
        FER_TRY(read_shared(q, c, ret));
    } else {
        FER_TRY(read_into(q, c->s, c->i, &c->buf));
        *ret = &c->buf;
    }
    c->i++;
    return FER_OK;
}

fer_code cursor_labels(query *q, source_cursor *c, lset *ret)
{
    const label_id *l = selection_labels(c->s->sel, c->i - 1, &ret->n);
    if (l == NULL)
        return fer_fail_budget(q->err, "query labels");
    ret->l = l;
    return FER_OK;
}
