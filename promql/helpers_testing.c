#include "promql/helpers_testing.h"

#include <assert.h>

#include "base/thread.h"

enum { RANK_TESTING_HELPERS = 900 };

struct testing_helpers {
    promql_helpers base;
    fer_mutex mu;
    fer_cond changed;
    unsigned idle; /* waiting threads that no job is meant for */
    void (*run)(void *arg);
    void *arg; /* of the job that waits for a thread; run NULL: none */
    uint64_t lent;
    bool ending;
    unsigned n;
    fer_thread threads[];
};

static void work(void *arg)
{
    testing_helpers *t = arg;
    fer_mutex_lock(&t->mu);
    t->idle++;
    fer_cond_broadcast(&t->changed);
    for (;;) {
        while (t->run == NULL && !t->ending)
            fer_cond_wait(&t->changed, &t->mu);
        if (t->run == NULL)
            break;
        void (*run)(void *arg) = t->run;
        void *job = t->arg;
        t->run = NULL;
        fer_mutex_unlock(&t->mu);
        run(job);
        fer_mutex_lock(&t->mu);
        t->idle++;
    }
    fer_mutex_unlock(&t->mu);
}

static bool lend(promql_helpers *h, void (*run)(void *arg), void *arg)
{
    testing_helpers *t = (testing_helpers *)h;
    fer_mutex_lock(&t->mu);
    bool ok = t->idle != 0 && t->run == NULL;
    if (ok) {
        t->idle--;
        t->lent++;
        t->run = run;
        t->arg = arg;
        fer_cond_broadcast(&t->changed);
    }
    fer_mutex_unlock(&t->mu);
    return ok;
}

static bool keep(promql_helpers *h)
{
    (void)h;
    return true;
}

testing_helpers *testing_helpers_new(unsigned threads, uint64_t min_work)
{
    testing_helpers *t = fer_calloc(1, sizeof *t + threads * sizeof *t->threads);
    t->base.max = threads;
    t->base.min_work = min_work;
    t->base.lend = lend;
    t->base.keep = keep;
    fer_mutex_init(&t->mu, "testing helpers", RANK_TESTING_HELPERS);
    fer_cond_init(&t->changed);
    for (t->n = 0; t->n < threads; t->n++) {
        fer_code code = fer_thread_start(&t->threads[t->n], "helper", work, t, NULL);
        assert(code == FER_OK);
        (void)code;
    }
    fer_mutex_lock(&t->mu);
    while (t->idle != threads)
        fer_cond_wait(&t->changed, &t->mu);
    fer_mutex_unlock(&t->mu);
    return t;
}

void testing_helpers_free(testing_helpers *t)
{
    if (t == NULL)
        return;
    fer_mutex_lock(&t->mu);
    t->ending = true;
    fer_cond_broadcast(&t->changed);
    fer_mutex_unlock(&t->mu);
    for (unsigned i = 0; i < t->n; i++)
        fer_thread_join(&t->threads[i]);
    fer_cond_done(&t->changed);
    fer_mutex_done(&t->mu);
    fer_free(t);
}

promql_helpers *testing_helpers_of(testing_helpers *t)
{
    return &t->base;
}

uint64_t testing_helpers_lent(testing_helpers *t)
{
    fer_mutex_lock(&t->mu);
    uint64_t n = t->lent;
    fer_mutex_unlock(&t->mu);
    return n;
}
