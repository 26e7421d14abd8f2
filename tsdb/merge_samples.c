#include "tsdb/merge_samples.h"

#include "tsdb/head/heap_order.h"

typedef struct sample_merge {
    const samples *out;
    sample_run *runs;
} sample_merge;

static bool run_less(void *arg, uint32_t a, uint32_t b)
{
    const sample_merge *m = arg;
    return m->out->t[m->runs[a].at] < m->out->t[m->runs[b].at];
}

/* Writes the positions of the samples to keep, in time order, to `pick`; returns how many. A run is
 * followed until another is not later; then the heap decides. So of samples at one time that of the run
 * that waited is taken, as Prometheus does. */
static size_t merge_runs(sample_merge *m, heap_order *h, uint32_t n_runs, size_t *pick)
{
    size_t n = 0;
    uint32_t current = 0;
    for (uint32_t i = 1; i < n_runs; i++)
        if (m->runs[i].at < m->runs[i].end)
            heap_push(h, i);
    for (;;) {
        sample_run *r = &m->runs[current];
        int64_t t = r->at < r->end ? m->out->t[r->at] : 0;
        bool ended = r->at == r->end;
        if (!ended && n != 0 && t == m->out->t[pick[n - 1]]) {
            r->at++; /* its time is taken */
            continue;
        }
        if (!ended && (h->n == 0 || t < m->out->t[m->runs[h->v[0]].at])) {
            pick[n++] = r->at++;
            continue;
        }
        if (!ended)
            heap_push(h, current);
        if (h->n == 0)
            break;
        current = heap_pop(h);
        r = &m->runs[current];
        if (n == 0 || m->out->t[r->at] != m->out->t[pick[n - 1]])
            pick[n++] = r->at++;
    }
    return n;
}

fer_code merge_samples(samples *out, size_t from, sample_run *runs, uint32_t n_runs)
{
    size_t total = out->n - from;
    size_t bytes = total * sizeof(size_t) + n_runs * sizeof(uint32_t);
    if (!fer_account_charge(out->acct, bytes))
        return FER_LIMIT;
    size_t *pick = fer_alloc(total * sizeof *pick);
    uint32_t *room = fer_alloc(n_runs * sizeof *room);
    sample_merge m = {out, runs};
    heap_order h = {.v = room, .less = run_less, .arg = &m};
    size_t n = merge_runs(&m, &h, n_runs, pick);
    fer_code code = samples_pick(out, from, pick, n);
    fer_free(room);
    fer_free(pick);
    fer_account_release(out->acct, bytes);
    return code;
}
