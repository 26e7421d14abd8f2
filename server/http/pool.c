/* pool.c - lanes of jobs behind one mutex.
 *
 * Of the threads that have nothing to do the one that was last at work is woken: its caches are warm.
 */
#include "server/http/pool.h"

#include "base/mem.h"
#include "base/thread.h"
#include "server/http/ranks.h"

typedef struct lane {
    http_job *head, **tail;
    size_t n;
} lane;

/* A thread that takes from both lanes. */
typedef struct worker worker;
struct worker {
    http_workers *w;
    worker *next; /* of those without work */
    fer_cond wake;
    bool called;
    bool tidy; /* gives memory back when it has nothing to do */
};

struct http_workers {
    fer_mutex mu;
    fer_cond urgent; /* for the one that takes urgent jobs only */
    lane work, hurry, loans;
    size_t queue_max;
    worker *resting; /* and not called yet; the one that was last at work first */
    size_t idle;     /* threads that wait, called or not */
    worker *workers;
    size_t n_workers; /* that take from both lanes */
    bool ending, has_urgent;
    bool urgent_tidy; /* as a worker's */
    int nice;
    http_cost_fn cost; /* NULL: new work in order of arrival */
    void *cost_arg;
    fer_thread *threads;
    size_t n_threads;
};

/* What a thread is lent for. */
typedef struct loan {
    http_job job;
    void (*run)(void *arg);
    void *arg;
} loan;

static _Thread_local const http_workers *my_pool;

static void lane_init(lane *l)
{
    *l = (lane){NULL, &l->head, 0};
}

static void lane_put(lane *l, http_job *j)
{
    j->next = NULL;
    *l->tail = j;
    l->tail = &j->next;
    l->n++;
}

static http_job *lane_take(lane *l)
{
    http_job *j = l->head;
    if (j == NULL)
        return NULL;
    l->head = j->next;
    if (l->head == NULL)
        l->tail = &l->head;
    l->n--;
    return j;
}

/* The job of the client that has cost least. */
static http_job *lane_take_cheapest(lane *l, http_cost_fn cost, void *arg)
{
    if (l->n < 2)
        return lane_take(l);
    http_job **best = &l->head;
    double least = cost(l->head->client, arg);
    for (http_job **at = &l->head->next; *at != NULL; at = &(*at)->next) {
        if ((*at)->client == (*best)->client)
            continue;
        double now = cost((*at)->client, arg);
        if (now < least) {
            least = now;
            best = at;
        }
    }
    http_job *j = *best;
    *best = j->next;
    if (l->tail == &j->next)
        l->tail = best;
    l->n--;
    return j;
}

static http_job *take_new(http_workers *w)
{
    return w->cost == NULL ? lane_take(&w->work)
                           : lane_take_cheapest(&w->work, w->cost, w->cost_arg);
}

/* What a thread does before its first job. */
static void begin(http_workers *w)
{
    my_pool = w;
    if (w->nice != 0)
        fer_thread_set_nice(w->nice);
    if (w->has_urgent) /* answers come in pieces, and each may be another thread's */
        fer_mem_share();
}

/* Calls one without work, which is then to be signalled; NULL when there is none. Under the lock. */
static worker *call_idle(http_workers *w)
{
    worker *one = w->resting;
    if (one != NULL) {
        w->resting = one->next;
        one->called = true;
    }
    return one;
}

/* What the allocator keeps for the calling thread, when somebody asked for it. True: the lock was let go meanwhile. */
static bool tidy_up(http_workers *w, bool *asked)
{
    if (!*asked)
        return false;
    *asked = false;
    fer_mutex_unlock(&w->mu);
    fer_mem_rest();
    fer_mutex_lock(&w->mu);
    return true;
}

static void rest(worker *me)
{
    http_workers *w = me->w;
    me->called = false;
    me->next = w->resting;
    w->resting = me;
    w->idle++;
    while (!me->called)
        if (!tidy_up(w, &me->tidy))
            fer_cond_wait(&me->wake, &w->mu);
    w->idle--;
}

static void run_both(void *arg)
{
    worker *me = arg;
    http_workers *w = me->w;
    begin(w);
    fer_mutex_lock(&w->mu);
    for (;;) {
        http_job *j = lane_take(&w->hurry);
        if (j == NULL)
            j = lane_take(&w->loans);
        if (j == NULL)
            j = take_new(w);
        if (j == NULL && w->ending)
            break;
        if (j == NULL) {
            rest(me);
            continue;
        }
        fer_mutex_unlock(&w->mu);
        j->run(j);
        fer_mutex_lock(&w->mu);
    }
    fer_mutex_unlock(&w->mu);
}

static void run_urgent(void *arg)
{
    http_workers *w = arg;
    begin(w);
    fer_mutex_lock(&w->mu);
    for (;;) {
        http_job *j = lane_take(&w->hurry);
        if (j == NULL && w->ending)
            break;
        if (j == NULL) {
            if (!tidy_up(w, &w->urgent_tidy))
                fer_cond_wait(&w->urgent, &w->mu);
            continue;
        }
        fer_mutex_unlock(&w->mu);
        j->run(j);
        fer_mutex_lock(&w->mu);
    }
    fer_mutex_unlock(&w->mu);
}

fer_code http_workers_new(const char *name, unsigned threads, size_t queue_max, bool urgent,
                          int nice, http_workers **ret, fer_err *err)
{
    http_workers *w = fer_calloc(1, sizeof *w);
    fer_mutex_init(&w->mu, name, HTTP_RANK_POOL);
    fer_cond_init(&w->urgent);
    lane_init(&w->work);
    lane_init(&w->hurry);
    lane_init(&w->loans);
    w->queue_max = queue_max;
    w->has_urgent = urgent;
    w->nice = nice;
    w->threads = fer_calloc(threads + 1, sizeof *w->threads);
    w->workers = fer_calloc(threads, sizeof *w->workers);
    for (w->n_workers = 0; w->n_workers < threads; w->n_workers++) {
        w->workers[w->n_workers].w = w;
        fer_cond_init(&w->workers[w->n_workers].wake);
    }
    fer_code code = FER_OK;
    while (code == FER_OK && w->n_threads < threads + urgent) {
        size_t i = w->n_threads;
        code = i < threads ? fer_thread_start(&w->threads[i], name, run_both, &w->workers[i], err)
                           : fer_thread_start(&w->threads[i], name, run_urgent, w, err);
        if (code == FER_OK)
            w->n_threads++;
    }
    if (code != FER_OK) {
        http_workers_free(w);
        return code;
    }
    *ret = w;
    return FER_OK;
}

void http_workers_order(http_workers *w, http_cost_fn cost, void *arg)
{
    fer_mutex_lock(&w->mu);
    w->cost = cost;
    w->cost_arg = arg;
    fer_mutex_unlock(&w->mu);
}

void http_workers_free(http_workers *w)
{
    if (w == NULL)
        return;
    fer_mutex_lock(&w->mu);
    w->ending = true;
    for (worker *one; (one = call_idle(w)) != NULL;)
        fer_cond_signal(&one->wake);
    fer_cond_broadcast(&w->urgent);
    fer_mutex_unlock(&w->mu);
    for (size_t i = 0; i < w->n_threads; i++)
        fer_thread_join(&w->threads[i]);
    for (size_t i = 0; i < w->n_workers; i++)
        fer_cond_done(&w->workers[i].wake);
    fer_cond_done(&w->urgent);
    fer_mutex_done(&w->mu);
    fer_free(w->workers);
    fer_free(w->threads);
    fer_free(w);
}

void http_workers_rest(http_workers *w)
{
    fer_mutex_lock(&w->mu);
    for (size_t i = 0; i < w->n_workers; i++) {
        w->workers[i].tidy = true;
        fer_cond_signal(&w->workers[i].wake);
    }
    w->urgent_tidy = true;
    fer_cond_signal(&w->urgent);
    fer_mutex_unlock(&w->mu);
}

bool http_workers_add(http_workers *w, http_job *j)
{
    fer_mutex_lock(&w->mu);
    bool ok = w->work.n < w->queue_max;
    if (ok)
        lane_put(&w->work, j);
    worker *one = ok ? call_idle(w) : NULL;
    fer_mutex_unlock(&w->mu);
    if (one != NULL)
        fer_cond_signal(&one->wake);
    return ok;
}

void http_workers_add_urgent(http_workers *w, http_job *j)
{
    fer_mutex_lock(&w->mu);
    lane_put(&w->hurry, j);
    worker *one = call_idle(w);
    fer_mutex_unlock(&w->mu);
    if (one != NULL)
        fer_cond_signal(&one->wake);
    else if (w->has_urgent)
        fer_cond_signal(&w->urgent);
}

static void run_loan(http_job *j)
{
    loan l = *(loan *)j;
    fer_free(j);
    l.run(l.arg);
}

/* Threads at work or about to be. */
static size_t busy_locked(const http_workers *w)
{
    return w->n_workers - w->idle + w->work.n + w->hurry.n + w->loans.n;
}

bool http_workers_lend(http_workers *w, size_t most_busy, void (*run)(void *arg), void *arg)
{
    loan *l = fer_alloc(sizeof *l);
    *l = (loan){.job = {.run = run_loan}, .run = run, .arg = arg};
    fer_mutex_lock(&w->mu);
    bool ok = busy_locked(w) < w->n_workers && busy_locked(w) < most_busy;
    if (ok)
        lane_put(&w->loans, &l->job);
    worker *one = ok ? call_idle(w) : NULL;
    fer_mutex_unlock(&w->mu);
    if (one != NULL)
        fer_cond_signal(&one->wake);
    if (!ok)
        fer_free(l);
    return ok;
}

bool http_workers_relaxed(http_workers *w, size_t most_busy)
{
    fer_mutex_lock(&w->mu);
    bool yes = w->work.n == 0 && busy_locked(w) <= most_busy;
    fer_mutex_unlock(&w->mu);
    return yes;
}

bool http_workers_inside(const http_workers *w)
{
    return my_pool == w;
}

size_t http_workers_waiting(http_workers *w)
{
    fer_mutex_lock(&w->mu);
    size_t n = w->work.n;
    fer_mutex_unlock(&w->mu);
    return n;
}
