#include "tsdb/hist_merge.h"

#include "base/mem.h"

/* Walks over the buckets of a side. */
typedef struct walk {
    const hist_side *side;
    uint32_t span, in_span, place;
    int64_t index; /* of the bucket at `place` */
} walk;

static void skip_empty_spans(walk *w)
{
    while (w->span < w->side->n_spans && w->in_span == w->side->spans[w->span].length) {
        w->in_span = 0;
        w->span++;
        if (w->span < w->side->n_spans)
            w->index += w->side->spans[w->span].offset;
    }
}

static walk walk_of(const hist_side *side)
{
    walk w = {.side = side, .index = side->n_spans == 0 ? 0 : side->spans[0].offset};
    skip_empty_spans(&w);
    return w;
}

static bool is_at_end(const walk *w)
{
    return w->span >= w->side->n_spans;
}

static void go_on(walk *w)
{
    w->place++;
    w->in_span++;
    w->index++;
    skip_empty_spans(w);
}

static void add_bucket(hist_merge *m, int64_t index, int64_t *last, uint32_t a, uint32_t b)
{
    int64_t gap = m->n == 0 ? index : index - *last - 1;
    if (m->n == 0 || gap != 0)
        m->spans[m->n_spans++] = (histogram_span){(int32_t)gap, 0};
    m->spans[m->n_spans - 1].length++;
    m->a[m->n] = a;
    m->b[m->n] = b;
    m->n++;
    m->a_lacks |= a == HIST_MISSING;
    m->b_lacks |= b == HIST_MISSING;
    *last = index;
}

void hist_merge_init(hist_merge *m, const hist_side *a, const hist_side *b)
{
    size_t most = (size_t)a->n_buckets + b->n_buckets;
    *m = (hist_merge){
        .spans = fer_alloc(most * sizeof *m->spans),
        .a = fer_alloc(most * sizeof *m->a),
        .b = fer_alloc(most * sizeof *m->b),
    };
    walk x = walk_of(a), y = walk_of(b);
    int64_t last = 0;
    while (!is_at_end(&x) || !is_at_end(&y)) {
        bool take_x = !is_at_end(&x) && (is_at_end(&y) || x.index <= y.index);
        bool take_y = !is_at_end(&y) && (is_at_end(&x) || y.index <= x.index);
        add_bucket(m, take_x ? x.index : y.index, &last, take_x ? x.place : HIST_MISSING,
                   take_y ? y.place : HIST_MISSING);
        if (take_x)
            go_on(&x);
        if (take_y)
            go_on(&y);
    }
}

void hist_merge_done(hist_merge *m)
{
    fer_free(m->spans);
    fer_free(m->a);
    fer_free(m->b);
    *m = (hist_merge){0};
}

/* The count of the next bucket, given the one before. */
static hist_num count_of(const hist_side *s, uint32_t place, hist_num before, bool is_float)
{
    return is_float ? s->buckets[place] : (hist_num){.u = before.u + s->buckets[place].u};
}

static bool is_zero(hist_num v, bool is_float)
{
    return is_float ? v.f == 0 : v.i == 0;
}

bool hist_merge_is_reset(const hist_merge *m, const hist_side *a, const hist_side *b, bool is_float)
{
    hist_num x = {.u = 0}, y = {.u = 0};
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->a[i] != HIST_MISSING)
            x = count_of(a, m->a[i], x, is_float);
        if (m->b[i] != HIST_MISSING)
            y = count_of(b, m->b[i], y, is_float);
        if (m->a[i] == HIST_MISSING)
            continue;
        if (m->b[i] == HIST_MISSING ? !is_zero(x, is_float) : is_float ? x.f > y.f : x.i > y.i)
            return true;
    }
    return false;
}

void hist_merge_spread(const hist_merge *m, const uint32_t *places, const hist_num *in,
                       bool is_float, hist_num *out)
{
    uint64_t count = 0, before = 0; /* in `in`, in `out` */
    for (uint32_t i = 0; i < m->n; i++) {
        bool is_there = places[i] != HIST_MISSING;
        if (is_float) {
            out[i] = is_there ? in[places[i]] : (hist_num){.f = 0};
            continue;
        }
        if (is_there)
            count += in[places[i]].u;
        uint64_t now = is_there ? count : 0;
        out[i].u = now - before;
        before = now;
    }
}
