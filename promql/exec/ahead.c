/* ahead.c - batches of a leaf's series, given out to threads.
 *
 * The series from where the leaf stands to the end of its selection are cut into batches, numbered from 0. `given` of
 * them have been given out, the leaf is through with `taken`; between the two lie those under way or done, at most as
 * many as there are slots, batch k in slot k % n_slots. Borrowed threads evaluate batch after batch and never wait: where none
 * is left to give out, or when the thread is wanted elsewhere, they go. The leaf's thread evaluates as well when the batch
 * it needs is not done, and waits only when all are given out.
 */
#include "promql/exec/ahead.h"

#include "base/thread.h"
#include "promql/exec/bits.h"

enum {
    RANK_QUERY_AHEAD = 190,
    MIN_WORK = 1 << 19,          /* 1 to 2 ms */
    BATCHES_PER_MIN_WORK = 8,    /* about 200 us each */
    BATCH_BYTES_MAX = 128 << 10, /* but for one series */
    BATCH_SERIES_MAX = 512,
    STEPS_MAX = 1 << 16,
    HELPERS_MAX = 15,
    AGAIN_FREE = 64, /* series evaluated twice before their share counts, at most an eighth */
    AGAIN_SHARE = 8,
};

/* A batch. Of the thread that evaluates it, then of the leaf. */
typedef struct slot {
    ahead_series *series;
    bool done; /* mu */
} slot;

/* What a thread works with. */
typedef struct lane {
    struct lane *next; /* mu, while unused */
    struct ahead_run *run;
    query q;
    fer_err err;
    void *copy; /* of the leaf; NULL: there was no memory for it */
} lane;

typedef struct ahead_run {
    const ahead_reader *of;
    promql_helpers *helpers;
    fer_arena *arena; /* slots */
    size_t first, n;  /* series */
    size_t batch;     /* series in each, the last may have less */
    slot *slots;
    size_t n_slots;
    lane *own; /* the query's thread's */

    fer_mutex mu;
    fer_cond changed;     /* a batch is done, or a thread has gone */
    size_t given, taken;  /* mu */
    size_t n_batches;     /* mu */
    unsigned borrowed;    /* mu: threads at work */
    lane *unused;         /* mu */
    _Atomic bool stopped; /* nobody wants what is under way */

    /* The leaf's alone. */
    bool at_batch; /* it is within batch `taken` */
    size_t next;   /* in it */
    size_t again;  /* series evaluated twice */
    bool closed;
} ahead_run;

/* ---- evaluating ---- */

static size_t series_in(const ahead_run *r, size_t k)
{
    size_t left = r->n - k * r->batch;
    return left < r->batch ? left : r->batch;
}

/* False: nothing to give out. */
static bool give_locked(ahead_run *r, size_t *ret)
{
    if (r->given == r->n_batches || r->given - r->taken == r->n_slots)
        return false;
    *ret = r->given++;
    r->slots[*ret % r->n_slots].done = false;
    return true;
}

static fer_code evaluate_one(const lane *l, size_t i, ahead_series *s)
{
    bits_zero(s->has, l->run->of->g->n);
    s->from = s->to = s->n_samples = 0;
    s->total = s->read = s->overlaps = 0;
    return l->copy == NULL ? FER_LIMIT : l->run->of->ops->evaluate(l->copy, i, s);
}

/* What ends a query (its deadline, memory) ends the batch; the leaf meets it where it would have met it alone. */
static bool ends_batch(fer_code c)
{
    return c != FER_OK && c != FER_UNSUPPORTED;
}

static void evaluate_batch(lane *l, size_t k)
{
    ahead_run *r = l->run;
    slot *s = &r->slots[k % r->n_slots];
    fer_code c = FER_OK;
    for (size_t i = 0; i < series_in(r, k); i++) {
        if (atomic_load_explicit(&r->stopped, memory_order_relaxed))
            c = FER_CANCELED;
        if (!ends_batch(c))
            c = evaluate_one(l, r->first + k * r->batch + i, &s->series[i]);
        s->series[i].again = c != FER_OK;
    }
    fer_mutex_lock(&r->mu);
    s->done = true;
    fer_cond_broadcast(&r->changed);
    fer_mutex_unlock(&r->mu);
}

/* ---- borrowed threads ---- */

static bool next_for_helper(ahead_run *r, size_t *ret)
{
    if (!r->helpers->keep(r->helpers))
        return false;
    fer_mutex_lock(&r->mu);
    bool any = !r->stopped && give_locked(r, ret);
    fer_mutex_unlock(&r->mu);
    return any;
}

static void help(void *arg)
{
    lane *l = arg;
    ahead_run *r = l->run;
    uint64_t cpu_ns = fer_thread_cpu_ns();
    size_t k;
    while (next_for_helper(r, &k))
        evaluate_batch(l, k);
    atomic_fetch_add(&r->helpers->cpu_ns, fer_thread_cpu_ns() - cpu_ns);
    fer_mutex_lock(&r->mu);
    l->next = r->unused;
    r->unused = l;
    r->borrowed--; /* from here on the run may be freed as soon as the lock is */
    fer_cond_broadcast(&r->changed);
    fer_mutex_unlock(&r->mu);
}

/* Registered with the query's memory; again at the end of the leaf. */
static void close_run(void *arg)
{
    ahead_run *r = arg;
    if (r->closed)
        return;
    r->closed = true;
    atomic_store_explicit(&r->stopped, true, memory_order_relaxed);
    fer_mutex_lock(&r->mu);
    while (r->borrowed != 0)
        fer_cond_wait(&r->changed, &r->mu);
    fer_mutex_unlock(&r->mu);
    for (lane *l = r->unused; l != NULL; l = l->next)
        fer_arena_free(l->q.scratch);
    if (r->own != NULL)
        fer_arena_free(r->own->q.scratch);
    fer_cond_done(&r->changed);
    fer_mutex_done(&r->mu);
    fer_arena_free(r->arena);
}

/* In the memory of the run, what it holds in its own. NULL past the budget. */
static lane *new_lane(ahead_run *r)
{
    const ahead_reader *a = r->of;
    lane *l = ARENA_NEW(r->arena, lane);
    if (l == NULL)
        return NULL;
    l->run = r;
    l->q = *a->q;
    l->q.scratch = fer_arena_new(a->q->ctx.acct, 0);
    l->q.err = &l->err;
    l->q.annos = NULL;
    l->q.held = l->q.peak = l->q.work = 0;
    if (a->ops->copy(a->leaf, &l->q, &l->copy) != FER_OK)
        l->copy = NULL;
    return l;
}

static lane *take_lane(ahead_run *r)
{
    fer_mutex_lock(&r->mu);
    lane *l = r->unused;
    if (l != NULL)
        r->unused = l->next;
    fer_mutex_unlock(&r->mu);
    return l != NULL ? l : new_lane(r);
}

/* Counts one more thread as borrowed if there is work for it and for the leaf's. Half of the slots are free then, so that
 * none comes for a single batch. */
static bool want_thread(ahead_run *r)
{
    fer_mutex_lock(&r->mu);
    bool yes = r->borrowed < r->helpers->max && r->borrowed < HELPERS_MAX &&
               r->n_batches - r->given > 1 && r->given - r->taken <= r->n_slots / 2;
    r->borrowed += yes;
    fer_mutex_unlock(&r->mu);
    return yes;
}

static void borrow_threads(ahead_run *r)
{
    while (want_thread(r)) {
        lane *l = take_lane(r);
        if (l != NULL && l->copy != NULL && r->helpers->lend(r->helpers, help, l))
            continue;
        fer_mutex_lock(&r->mu);
        r->borrowed--;
        if (l != NULL) {
            l->next = r->unused;
            r->unused = l;
        }
        fer_mutex_unlock(&r->mu);
        return;
    }
}

/* ---- the leaf's side ---- */

static uint64_t min_work(const ahead_reader *a)
{
    uint64_t n = a->q->params->helpers->min_work;
    return n != 0 ? n : MIN_WORK;
}

/* Whether a thread should be asked for. */
static bool is_due(ahead_reader *a)
{
    const promql_helpers *h = a->q->params->helpers;
    if (h == NULL || h->max == 0 || a->cur == NULL || a->over || a->spent < min_work(a) ||
        a->cur->s->kept != NULL || a->g->n > STEPS_MAX)
        return false;
    uint64_t left = a->cur->s->sel->n - a->cur->i, each = a->spent / a->n_alone + 1;
    bool due = left * each >= 2 * min_work(a);
    if (!due) /* ask again when it would be */
        a->spent = a->n_alone = 0;
    return due;
}

static bool make_slots(ahead_run *r, size_t steps)
{
    size_t words = bits_words(steps), n = r->n_slots * r->batch;
    r->slots = ARENA_ARRAY(r->arena, slot, r->n_slots);
    ahead_series *series = ARENA_ARRAY(r->arena, ahead_series, n);
    double *v = fer_arena_alloc(r->arena, n * steps * sizeof *v);
    uint64_t *has = fer_arena_alloc(r->arena, n * words * sizeof *has);
    uint32_t *ends = NULL;
    if (r->of->windows)
        ends = fer_arena_alloc(r->arena, 2 * n * steps * sizeof *ends);
    if (r->slots == NULL || series == NULL || v == NULL || has == NULL ||
        (r->of->windows && ends == NULL))
        return false;
    for (size_t i = 0; i < n; i++) {
        series[i].v = v + i * steps;
        series[i].has = has + i * words;
        series[i].lo = ends == NULL ? NULL : ends + 2 * i * steps;
        series[i].hi = ends == NULL ? NULL : ends + (2 * i + 1) * steps;
    }
    for (size_t k = 0; k < r->n_slots; k++)
        r->slots[k].series = series + k * r->batch;
    return true;
}

static size_t batch_size(const ahead_reader *a, size_t left)
{
    uint64_t each = a->spent / a->n_alone + 1;
    uint64_t n = min_work(a) / BATCHES_PER_MIN_WORK / each;
    size_t bytes = a->g->n * (a->windows ? 16 : 8) + bits_words(a->g->n) * 8 + sizeof(ahead_series);
    n = n < BATCH_BYTES_MAX / bytes ? n : BATCH_BYTES_MAX / bytes;
    n = n < BATCH_SERIES_MAX ? n : BATCH_SERIES_MAX;
    n = n < left ? n : left;
    return n == 0 ? 1 : (size_t)n;
}

/* NULL, and nothing is wrong, where memory is short. */
static ahead_run *new_run(ahead_reader *a)
{
    query *q = a->q;
    promql_helpers *h = q->params->helpers;
    ahead_run *r = ARENA_NEW(q->scratch, ahead_run);
    if (r == NULL)
        return NULL;
    r->closed = true;
    if (!fer_arena_on_close(q->scratch, close_run, r))
        return NULL;
    r->of = a;
    r->helpers = h;
    r->first = a->cur->i;
    r->n = a->cur->s->sel->n - r->first;
    r->batch = batch_size(a, r->n);
    r->n_batches = (r->n + r->batch - 1) / r->batch;
    r->n_slots = 2 * ((size_t)(h->max < HELPERS_MAX ? h->max : HELPERS_MAX) + 1);
    r->arena = fer_arena_new(q->ctx.acct, 0);
    fer_mutex_init(&r->mu, "query.ahead", RANK_QUERY_AHEAD);
    fer_cond_init(&r->changed);
    r->closed = false;
    if (make_slots(r, a->g->n) && (r->own = new_lane(r)) != NULL && r->own->copy != NULL)
        return r;
    close_run(r);
    return NULL;
}

static void begin(ahead_reader *a)
{
    if (a->q->params->helpers->keep(a->q->params->helpers))
        a->run = new_run(a);
    a->spent = a->n_alone = 0;
}

/* Waits for batch `taken`, evaluating meanwhile. False: the leaf is through with all. */
static bool wait_batch(ahead_run *r)
{
    for (;;) {
        size_t k = 0;
        bool mine = false;
        fer_mutex_lock(&r->mu);
        bool end = r->taken == r->n_batches;
        bool done = r->taken < r->given && r->slots[r->taken % r->n_slots].done;
        if (!end && !done && !(mine = give_locked(r, &k)))
            fer_cond_wait(&r->changed, &r->mu);
        fer_mutex_unlock(&r->mu);
        if (end || done)
            return !end;
        if (mine)
            evaluate_batch(r->own, k);
    }
}

static bool next_batch(ahead_run *r)
{
    fer_mutex_lock(&r->mu);
    r->taken += r->at_batch;
    fer_mutex_unlock(&r->mu);
    borrow_threads(r);
    r->at_batch = wait_batch(r);
    r->next = 0;
    return r->at_batch;
}

/* Where too many series are evaluated twice, no more are given out. */
static void note_again(ahead_run *r, size_t done)
{
    r->again++;
    if (r->again < AGAIN_FREE || r->again * AGAIN_SHARE < done)
        return;
    fer_mutex_lock(&r->mu);
    r->n_batches = r->given;
    fer_mutex_unlock(&r->mu);
}

/* The leaf goes on alone behind the last batch, if there are series left. */
static void end_run(ahead_reader *a)
{
    ahead_run *r = a->run;
    size_t done = r->n_batches * r->batch;
    a->cur->i = r->first + (done < r->n ? done : r->n);
    close_run(r);
    a->run = NULL;
    a->over = true;
}

fer_code ahead_next(ahead_reader *a, const ahead_series **ret)
{
    *ret = NULL;
    if (a->run == NULL && is_due(a))
        begin(a);
    ahead_run *r = a->run;
    if (r == NULL)
        return FER_OK;
    if (!r->at_batch || r->next == series_in(r, r->taken)) {
        FER_TRY(query_check(a->q));
        if (!next_batch(r)) {
            end_run(a);
            return FER_OK;
        }
    }
    size_t at = r->taken * r->batch + r->next;
    const ahead_series *s = &r->slots[r->taken % r->n_slots].series[r->next++];
    a->cur->i = r->first + at;
    if (s->again) {
        note_again(r, at);
        return FER_OK;
    }
    a->cur->i++;
    *ret = s;
    return FER_OK;
}
