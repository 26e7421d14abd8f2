/* binary.c - arithmetic and comparison between two vectors.
 *
 * The "one" side (the right one, or with group_right the left) is kept in memory by matching
 * signature; the "many" side streams. All is decided step by step: a signature may be taken by
 * different series at different steps, so one series of the many side can meet several of the one
 * side and gives one part of the result with each.
 *
 * Errors belong to steps too: Prometheus reports the first step at which a match is not unique, and
 * duplicates on the one side only count at steps where the other side has any value. So an error
 * found is held back until the streaming side has been seen whole.
 */
#include "promql/exec/arith.h"
#include "promql/exec/hist_arith.h"
#include "promql/exec/matching.h"

#define NO_ENTRY UINT32_MAX

/* A series of the one side. */
typedef struct entry {
    kept k;
    uint32_t sig;
    uint32_t next; /* of the same signature */
} entry;

typedef struct sig {
    uint32_t first, last; /* entries */
} sig;

typedef struct binary_op {
    oper o;
    const expr_binary *b;
    oper *one_op, *many_op;
    bool swapped; /* the one side is the left one */
    bool one_to_one, drops_metric;
    matching m;
    lset_names include;

    lset_map sigs;
    sig *by_sig;
    size_t by_sig_cap;
    entry *entries;
    size_t n_entries, entries_cap;
    uint64_t *has;     /* per signature: steps with an entry */
    uint64_t *matched; /* per signature: steps with a match */
    size_t has_cap, matched_cap;
    uint64_t *duplicate; /* steps at which a signature is there twice */
    bool any_duplicate, built;
    uint64_t *many_any; /* steps at which the many side has a value */

    vec many;          /* being matched */
    uint32_t at_sig;   /* its signature, NO_ENTRY when unknown */
    uint32_t at_entry; /* next one to meet */
    bool in_many, fill_pending, many_done;
    double *fill_one, *fill_many; /* what stands in for the missing, NULL: nothing */
    size_t fill_entry;            /* next entry to fill the many side for */

    lset_buf sig_buf, labels;
    vec out;
    uint64_t *keep;
    lset_guard guard; /* many-to-one: result sets, by signature */
    /* Series that match differently may become one when they lose name, type and unit. */
    bool guarded;
    lset_guard twins; /* guarded: result sets */

    hist_column made; /* histograms of the part being made */
    uint64_t *holds;  /* steps at which a comparison of histograms holds */
    uint8_t *remarks; /* per step, a hist_remark; NULL: none anywhere */

    size_t error_step;
    bool error_late; /* it counts behind the others of its step */
    const char *error_text;
} binary_op;

static uint64_t *steps_of(const binary_op *b, uint64_t *steps, uint32_t at)
{
    return steps + at * bits_words(b->o.g->n);
}

/* ---- the one side ---- */

static fer_code add_entry(binary_op *b, const vec *v)
{
    query *q = b->o.q;
    uint32_t at;
    bool is_new;
    FER_TRY(matching_signature(q, &b->m, v->labels, &b->sig_buf));
    FER_TRY(lset_map_add(q, &b->sigs, lset_of(&b->sig_buf), &at, &is_new));
    if (!query_grow(q, &b->by_sig, &b->by_sig_cap, b->sigs.n, sizeof *b->by_sig) ||
        !query_grow(q, &b->entries, &b->entries_cap, b->n_entries + 1, sizeof *b->entries))
        return QUERY_NOMEM(q);

    uint32_t index = (uint32_t)b->n_entries++;
    entry *e = &b->entries[index];
    *e = (entry){.sig = at, .next = NO_ENTRY};
    e->k.labels = lset_dup(q, v->labels);
    if (e->k.labels.l == NULL)
        return QUERY_NOMEM(q);
    FER_TRY(kept_take(q, &e->k, v));

    if (is_new)
        b->by_sig[at].first = index;
    else
        b->entries[b->by_sig[at].last].next = index;
    b->by_sig[at].last = index;
    return FER_OK;
}

/* Which steps each signature has, and where one is there twice. */
static fer_code index_steps(binary_op *b)
{
    query *q = b->o.q;
    size_t n = b->o.g->n, words = bits_words(n);
    b->has_cap = b->matched_cap = b->sigs.n * words;
    b->has = QUERY_ARRAY(q, uint64_t, b->has_cap);
    b->matched = QUERY_ARRAY(q, uint64_t, b->matched_cap);
    b->duplicate = QUERY_ARRAY(q, uint64_t, words);
    b->many_any = QUERY_ARRAY(q, uint64_t, words);
    if (b->has == NULL || b->matched == NULL || b->duplicate == NULL || b->many_any == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 0; i < b->n_entries; i++) {
        const kept *k = &b->entries[i].k;
        uint64_t *has = steps_of(b, b->has, b->entries[i].sig) + k->from / 64;
        uint64_t *duplicate = b->duplicate + k->from / 64;
        for (size_t w = 0; w < bits_words(k->to - k->from); w++) {
            duplicate[w] |= has[w] & k->has[w];
            has[w] |= k->has[w];
        }
    }
    b->any_duplicate = bits_any(b->duplicate, n);
    return FER_OK;
}

static fer_code build_one(binary_op *b)
{
    query *q = b->o.q;
    vec v;
    fer_code c;
    while ((c = oper_next(b->one_op, &v)) == FER_OK) {
        FER_TRY(query_work(q, v.to - v.from));
        FER_TRY(add_entry(b, &v));
    }
    if (c != FER_END)
        return c;
    b->built = true;
    FER_TRY(index_steps(b));
    b->keep = QUERY_ARRAY(q, uint64_t, bits_words(b->o.g->n));
    return b->keep == NULL || !vec_alloc(q, &b->out, b->o.g->n) ? QUERY_NOMEM(q) : FER_OK;
}

/* ---- errors, by step ---- */

static void note_error(binary_op *b, size_t step, const char *text, bool late)
{
    if (step > b->error_step || (step == b->error_step && (late || !b->error_late)))
        return;
    b->error_step = step;
    b->error_late = late;
    b->error_text = text;
}

/* Names the first series at the step whose signature an earlier one has, and that one, by their texts. */
static fer_code fail_duplicate(binary_op *b, size_t step)
{
    query *q = b->o.q;
    const entry *first = NULL, *second = NULL;
    for (size_t j = 0; j < b->n_entries && second == NULL; j++) {
        const entry *e = &b->entries[j];
        if (!kept_has(&e->k, step))
            continue;
        for (uint32_t k = b->by_sig[e->sig].first; k != (uint32_t)j; k = b->entries[k].next)
            if (kept_has(&b->entries[k].k, step)) {
                first = &b->entries[k];
                second = e;
                break;
            }
    }
    if (second == NULL)
        return query_fail(q, "found duplicate series for the match group");
    fer_str a = lset_print(q, first->k.labels), c = lset_print(q, second->k.labels);
    if (str_cmp(a, c) > 0) {
        fer_str x = a;
        a = c;
        c = x;
    }
    fer_str group = lset_print(q, b->sigs.keys[second->sig]);
    return query_fail(q,
                      "found duplicate series for the match group %.*s on the %s hand-side of the "
                      "operation: [%.*s, %.*s];many-to-many matching not allowed: matching labels "
                      "must be unique on one side",
                      STR_FMT(group), b->swapped ? "left" : "right", STR_FMT(a), STR_FMT(c));
}

/* At the end of the streaming side: the earliest error, duplicates first within a step. */
static fer_code report(binary_op *b)
{
    size_t n = b->o.g->n;
    if (b->any_duplicate) {
        bool fills = b->b->fill_left_set || b->b->fill_right_set;
        size_t step =
            fills ? bits_next(b->duplicate, 0, n) : bits_first_common(b->duplicate, b->many_any, n);
        if (step < n && step <= b->error_step)
            return fail_duplicate(b, step);
    }
    if (b->error_text != NULL)
        return query_fail(b->o.q, "%s", b->error_text);
    return FER_OK;
}

/* ---- results ---- */

static fer_code result_labels(binary_op *b, lset many, lset one)
{
    query *q = b->o.q;
    if (b->drops_metric)
        FER_TRY(lset_drop_metric(q, &b->labels, many));
    else
        FER_TRY(lset_set_to(q, &b->labels, many));
    if (b->one_to_one && b->m.on)
        FER_TRY(lset_keep(q, &b->labels, lset_of(&b->labels), &b->m.names));
    else if (b->one_to_one)
        FER_TRY(lset_drop(q, &b->labels, lset_of(&b->labels), &b->m.names, false));
    for (size_t i = 0; i < b->include.n; i++)
        FER_TRY(lset_put(q, &b->labels, b->include.ids[i], lset_get(one, b->include.ids[i])));
    return FER_OK;
}

/* Notes the match at the steps in out.has, and whether it is one too many. */
static fer_code note_match(binary_op *b, uint32_t at_sig)
{
    size_t n = b->o.g->n, step;
    uint64_t *matched = steps_of(b, b->matched, at_sig);
    lset made = lset_of(&b->labels);
    if (b->one_to_one) {
        step = bits_first_common(matched, b->out.has, n);
        if (step < n)
            note_error(b, step,
                       "multiple matches for labels: many-to-one matching must be explicit "
                       "(group_left/group_right)",
                       false);
    } else {
        FER_TRY(lset_guard_seen(b->o.q, &b->guard, at_sig, made, b->out.has, &step));
        if (step != SIZE_MAX)
            note_error(b, step,
                       "multiple matches for labels: grouping labels must ensure unique matches",
                       false);
    }
    if (b->guarded) {
        FER_TRY(lset_guard_seen(b->o.q, &b->twins, 0, made, b->out.has, &step));
        if (step != SIZE_MAX)
            note_error(b, step, "vector cannot contain metrics with the same labelset", true);
    }
    bits_or(matched, b->out.has, n);
    return FER_OK;
}

static bool is_trim(op kind)
{
    return kind == OP_TRIM_LOWER || kind == OP_TRIM_UPPER;
}

/* One side of a match. */
typedef struct partner {
    lset labels;
    const double *v;           /* from out.from on */
    const histogram *const *h; /* by step; NULL: floats only */
} partner;

static fer_code remark(binary_op *b, size_t step, hist_remark r)
{
    if (r == REMARK_NONE)
        return FER_OK;
    if (b->remarks == NULL && (b->remarks = QUERY_ARRAY(b->o.q, uint8_t, b->o.g->n)) == NULL)
        return QUERY_NOMEM(b->o.q);
    b->remarks[step] = (uint8_t)r;
    return FER_OK;
}

static fer_code tell_remarks(binary_op *b)
{
    bool told[REMARK_COUNT] = {false};
    for (size_t i = 0; b->remarks != NULL && i < b->o.g->n; i++) {
        if (!told[b->remarks[i]])
            FER_TRY(hist_remark_tell(b->o.q, b->o.p, (hist_remark)b->remarks[i]));
        told[b->remarks[i]] = true;
    }
    return FER_OK;
}

/* The steps where a side is a histogram (all of a trim operator's): those without an outcome leave
 * out.has. A comparison that does not hold is left to decide_histograms(). */
static fer_code combine_histograms(binary_op *b, partner many, partner one)
{
    query *q = b->o.q;
    vec *out = &b->out;
    op kind = b->b->op;
    FER_TRY(hist_column_begin(q, &b->made, b->o.g->n));
    if (b->holds == NULL && (b->holds = QUERY_ARRAY(q, uint64_t, bits_words(b->o.g->n))) == NULL)
        return QUERY_NOMEM(q);
    bits_zero(b->holds, b->o.g->n);
    for (size_t i = bits_next(out->has, out->from, out->to); i < out->to;
         i = bits_next(out->has, i + 1, out->to)) {
        hist_operand x = {many.v[i - out->from], many.h == NULL ? NULL : many.h[i]};
        hist_operand y = {one.v[i - out->from], one.h == NULL ? NULL : one.h[i]};
        hist_outcome z;
        if (x.h == NULL && y.h == NULL && !is_trim(kind))
            continue;
        hist_operand l = b->swapped ? y : x;
        FER_TRY(hist_arith(q, &b->made, kind, l, b->swapped ? x : y, &z));
        FER_TRY(remark(b, i, z.remark));
        if (!z.there)
            bits_clear(out->has, i);
        else if (z.computed)
            FER_TRY(hist_column_put(q, &b->made, i));
        else
            b->made.h[i] = l.h;
        if (z.there && !z.computed)
            bits_put(b->holds, i, z.keep);
    }
    out->h = b->made.h;
    return FER_OK;
}

/* Where histograms were compared, what came out is what counts. */
static void decide_histograms(binary_op *b)
{
    for (size_t i = b->out.from; i < b->out.to; i++) {
        if (!bits_get(b->out.has, i) || b->out.h[i] == NULL)
            continue;
        bits_clear(b->keep, i - b->out.from);
        bits_put(b->keep, i - b->out.from, bits_get(b->holds, i));
    }
}

/* The result at the steps in out.has, all of them in [out.from, out.to); afterwards out.has is where
 * there is one. The columns begin at out.from. */
static fer_code combine(binary_op *b, uint32_t at_sig, partner many, partner one)
{
    const double *many_v = many.v, *one_v = one.v;
    size_t from = b->out.from, n = b->out.to - from;
    const double *l = b->swapped ? one_v : many_v, *r = b->swapped ? many_v : one_v;
    double *out = b->out.v + from;
    op kind = b->b->op;
    FER_TRY(query_work(b->o.q, n));
    b->out.h = NULL;
    if (many.h != NULL || one.h != NULL || is_trim(kind)) {
        FER_TRY(combine_histograms(b, many, one));
        if (!bits_any(b->out.has, b->o.g->n))
            return FER_OK;
    }
    FER_TRY(result_labels(b, many.labels, one.labels));
    FER_TRY(note_match(b, at_sig));
    b->out.labels = lset_of(&b->labels);
    b->out.drop_name = b->b->return_bool;
    if (!op_is_comparison(kind)) {
        arith(kind, l, r, out, n);
        return FER_OK;
    }
    compare(kind, l, r, b->keep, n);
    if (b->out.h != NULL)
        decide_histograms(b);
    for (size_t i = 0; i < n; i++)
        out[i] = b->b->return_bool ? bits_get(b->keep, i) : l[i];
    if (!b->b->return_bool)
        bits_and(b->out.has + from / 64, b->keep, n);
    else
        b->out.h = NULL;
    return FER_OK;
}

/* ---- the many side ---- */

/* A signature the one side does not have, when it is to be filled. */
static fer_code add_sig(binary_op *b)
{
    query *q = b->o.q;
    size_t words = bits_words(b->o.g->n), n = b->sigs.n + 1;
    bool is_new;
    FER_TRY(lset_map_add(q, &b->sigs, lset_of(&b->sig_buf), &b->at_sig, &is_new));
    if (!query_grow(q, &b->by_sig, &b->by_sig_cap, n, sizeof *b->by_sig) ||
        !query_grow(q, &b->has, &b->has_cap, n * words, sizeof *b->has) ||
        !query_grow(q, &b->matched, &b->matched_cap, n * words, sizeof *b->matched))
        return QUERY_NOMEM(q);
    b->by_sig[b->at_sig] = (sig){NO_ENTRY, NO_ENTRY};
    bits_zero(steps_of(b, b->has, b->at_sig), b->o.g->n);
    bits_zero(steps_of(b, b->matched, b->at_sig), b->o.g->n);
    return FER_OK;
}

static fer_code next_many(binary_op *b)
{
    query *q = b->o.q;
    FER_TRY(oper_next(b->many_op, &b->many));
    FER_TRY(query_work(q, 1));
    if (b->any_duplicate)
        bits_or(b->many_any, b->many.has, b->o.g->n);
    FER_TRY(matching_signature(q, &b->m, b->many.labels, &b->sig_buf));
    b->at_sig = lset_map_find(&b->sigs, lset_of(&b->sig_buf));
    if (b->at_sig == NO_ENTRY && b->fill_one != NULL)
        FER_TRY(add_sig(b));
    b->at_entry = b->at_sig == NO_ENTRY ? NO_ENTRY : b->by_sig[b->at_sig].first;
    b->fill_pending = b->fill_one != NULL;
    return FER_OK;
}

/* Where the current series of the many side meets an entry; false when nowhere. */
static bool meet(binary_op *b, const kept *k)
{
    const vec *m = &b->many;
    size_t from = m->from > k->from ? m->from : k->from, to = m->to < k->to ? m->to : k->to;
    bits_zero(b->out.has, b->o.g->n);
    if (from >= to)
        return false;
    b->out.from = from;
    b->out.to = to;
    bits_copy(b->out.has + from / 64, m->has + from / 64, to - from);
    bits_and(b->out.has + from / 64, k->has + (from - k->from) / 64, to - from);
    return bits_any(b->out.has, b->o.g->n);
}

/* The next part of the result with the current series of the many side; FER_END when it has met
 * all. */
static fer_code next_part(binary_op *b)
{
    size_t n = b->o.g->n;
    const vec *m = &b->many;
    while (b->at_entry != NO_ENTRY) {
        const entry *e = &b->entries[b->at_entry];
        b->at_entry = e->next;
        if (meet(b, &e->k))
            return combine(b, b->at_sig, (partner){m->labels, m->v + b->out.from, m->h},
                           (partner){e->k.labels, e->k.v + (b->out.from - e->k.from), e->k.h});
    }
    if (!b->fill_pending)
        return FER_END;
    b->fill_pending = false;
    bits_copy(b->out.has, m->has, n);
    bits_and_not(b->out.has, steps_of(b, b->has, b->at_sig), n);
    b->out.from = m->from;
    b->out.to = m->to;
    if (!bits_any(b->out.has, n))
        return FER_END;
    return combine(b, b->at_sig, (partner){m->labels, m->v + m->from, m->h},
                   (partner){b->sigs.keys[b->at_sig], b->fill_one, NULL});
}

/* With the many side filled: series of the one side where nothing met them. */
static fer_code next_filled(binary_op *b)
{
    size_t n = b->o.g->n;
    while (b->fill_many != NULL && b->fill_entry < b->n_entries) {
        const entry *e = &b->entries[b->fill_entry++];
        bits_zero(b->out.has, n);
        bits_copy(b->out.has + e->k.from / 64, e->k.has, e->k.to - e->k.from);
        bits_and_not(b->out.has, steps_of(b, b->matched, e->sig), n);
        b->out.from = e->k.from;
        b->out.to = e->k.to;
        if (bits_any(b->out.has, n))
            return combine(b, e->sig, (partner){b->sigs.keys[e->sig], b->fill_many, NULL},
                           (partner){e->k.labels, e->k.v, e->k.h});
    }
    return FER_END;
}

static fer_code step_on(binary_op *b)
{
    if (b->many_done)
        return next_filled(b);
    fer_code c = b->in_many ? next_part(b) : FER_END;
    if (c != FER_END)
        return c;
    c = next_many(b);
    b->in_many = c == FER_OK;
    b->many_done = c == FER_END;
    bits_zero(b->out.has, b->o.g->n);
    return b->many_done ? FER_OK : c;
}

static fer_code binary_next(oper *o, vec *ret)
{
    binary_op *b = (binary_op *)o;
    if (!b->built && b->swapped)
        FER_TRY(build_one(b));
    else if (!b->built)
        FER_TRY(oper_fail_behind(b->many_op, build_one(b)));
    for (;;) {
        fer_code c = step_on(b);
        if (c == FER_END) {
            FER_TRY(report(b));
            FER_TRY(tell_remarks(b));
        }
        if (c != FER_OK)
            return c;
        if (b->error_text == NULL && bits_any(b->out.has, o->g->n)) {
            *ret = b->out;
            return FER_OK;
        }
    }
}

/* ---- building ---- */

static bool names_metric(const query *q, const lset_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        label_id l = {names->ids[i], 1};
        if (lset_has_metric(q, (lset){&l, 1}))
            return true;
    }
    return false;
}

static double *constant(query *q, double v, size_t n)
{
    double *c = QUERY_ARRAY(q, double, n);
    for (size_t i = 0; c != NULL && i < n; i++)
        c[i] = v;
    return c;
}

static fer_code make_fills(binary_op *b)
{
    size_t n = b->o.g->n;
    /* fill_right stands in for the one side, also when that is the left one. */
    if (b->b->fill_right_set && (b->fill_one = constant(b->o.q, b->b->fill_right, n)) == NULL)
        return QUERY_NOMEM(b->o.q);
    if (b->b->fill_left_set && (b->fill_many = constant(b->o.q, b->b->fill_left, n)) == NULL)
        return QUERY_NOMEM(b->o.q);
    return FER_OK;
}

fer_code binary_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    binary_op *b = oper_new(q, sizeof *b, p, ec.g, binary_next);
    if (b == NULL)
        return QUERY_NOMEM(q);
    b->b = &p->e->u.binary;
    b->swapped = b->b->card == CARD_ONE_TO_MANY;
    b->one_to_one = b->b->card == CARD_ONE_TO_ONE;
    bool keeps = op_is_comparison(b->b->op) || is_trim(b->b->op);
    b->drops_metric = !keeps || (b->b->return_bool && !q->limits->features.delayed_name_removal);
    b->error_step = SIZE_MAX;
    FER_TRY(matching_make(q, b->b, &b->m));
    FER_TRY(lset_names_make(q, b->b->include, b->b->n_include, &b->include));
    FER_TRY(make_fills(b));
    oper *l, *r;
    FER_TRY(oper_build(q, p->args[0], ec, &l));
    FER_TRY(oper_build(q, p->args[1], ec, &r));
    b->one_op = b->swapped ? l : r;
    b->many_op = b->swapped ? r : l;
    lset_guard_init(&b->guard, ec.g->n);
    lset_guard_init(&b->twins, ec.g->n);
    b->o.nameless = (b->drops_metric || b->many_op->nameless) && !names_metric(q, &b->include);
    /* With delayed name removal one step alone is looked at where the query ends. */
    b->guarded =
        b->drops_metric && (ec.g->n > 1 || !q->limits->features.delayed_name_removal) &&
        (q->limits->features.type_and_unit_labels || (b->m.on && names_metric(q, &b->m.names)));
    *ret = &b->o;
    return FER_OK;
}
