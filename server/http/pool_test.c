/* pool_test.c - lending the threads of a pool, and what they keep while they have nothing to do. */
#include "server/http/pool.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/thread.h"

enum { THREADS = 3, RANK_TEST = 100 };

/* What threads wait at, and how many are there. */
typedef struct gate {
    fer_mutex mu;
    fer_cond changed;
    unsigned inside, through;
    bool open;
} gate;

typedef struct fixture {
    http_workers *w;
    gate g;
} fixture;

static void stay(void *arg)
{
    gate *g = arg;
    fer_mutex_lock(&g->mu);
    g->inside++;
    fer_cond_broadcast(&g->changed);
    while (!g->open)
        fer_cond_wait(&g->changed, &g->mu);
    g->inside--;
    g->through++;
    fer_cond_broadcast(&g->changed);
    fer_mutex_unlock(&g->mu);
}

static void wait_inside(gate *g, unsigned n)
{
    fer_mutex_lock(&g->mu);
    while (g->inside != n)
        fer_cond_wait(&g->changed, &g->mu);
    fer_mutex_unlock(&g->mu);
}

static void open_gate(gate *g)
{
    fer_mutex_lock(&g->mu);
    g->open = true;
    fer_cond_broadcast(&g->changed);
    fer_mutex_unlock(&g->mu);
}

/* A job of the queue that stays at the gate. */
typedef struct staying_job {
    http_job job;
    gate *g;
} staying_job;

static void run_staying(http_job *j)
{
    stay(((staying_job *)j)->g);
}

/* The threads wait for work: until then there is none to lend. */
static int setup(void **state)
{
    fixture *f = fer_calloc(1, sizeof *f);
    fer_mutex_init(&f->g.mu, "test", RANK_TEST);
    fer_cond_init(&f->g.changed);
    assert_int_equal(http_workers_new("test", THREADS, 8, true, 0, &f->w, NULL), FER_OK);
    while (!http_workers_relaxed(f->w, 0))
        sched_yield();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    open_gate(&f->g);
    http_workers_free(f->w);
    fer_cond_done(&f->g.changed);
    fer_mutex_done(&f->g.mu);
    fer_free(f);
    return 0;
}

static void threads_are_lent_while_fewer_work_than_may(void **state)
{
    fixture *f = *state;
    assert_true(http_workers_lend(f->w, 2, stay, &f->g));
    wait_inside(&f->g, 1);
    assert_true(http_workers_lend(f->w, 2, stay, &f->g));
    assert_false(http_workers_lend(f->w, 2, stay, &f->g)); /* also before the second has begun */
    wait_inside(&f->g, 2);
    assert_false(http_workers_lend(f->w, 2, stay, &f->g));
    assert_true(http_workers_relaxed(f->w, 2));
    assert_false(http_workers_relaxed(f->w, 1));
}

static void none_is_lent_when_all_are_at_work(void **state)
{
    fixture *f = *state;
    staying_job jobs[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (staying_job){.job = {.run = run_staying}, .g = &f->g};
        assert_true(http_workers_add(f->w, &jobs[i].job));
    }
    assert_false(http_workers_lend(f->w, 100, stay, &f->g));
    wait_inside(&f->g, THREADS);
    assert_false(http_workers_lend(f->w, 100, stay, &f->g));
    assert_true(http_workers_relaxed(f->w, THREADS));
}

static void a_request_that_waits_asks_for_threads_back(void **state)
{
    fixture *f = *state;
    for (unsigned i = 0; i < THREADS; i++)
        assert_true(http_workers_lend(f->w, THREADS, stay, &f->g));
    wait_inside(&f->g, THREADS);
    staying_job job = {.job = {.run = run_staying}, .g = &f->g};
    assert_true(http_workers_add(f->w, &job.job));
    assert_false(http_workers_relaxed(f->w, 100));
    open_gate(&f->g);
    fer_mutex_lock(&f->g.mu);
    while (f->g.through != THREADS + 1)
        fer_cond_wait(&f->g.changed, &f->g.mu);
    fer_mutex_unlock(&f->g.mu);
}

/* In the place of jemalloc's, which tests are not linked with. */
int mallctl(const char *name, void *old, size_t *old_n, void *new, size_t new_n);

static _Atomic unsigned flushes;

int mallctl(const char *name, void *old, size_t *old_n, void *new, size_t new_n)
{
    (void)old, (void)old_n, (void)new, (void)new_n;
    if (strcmp(name, "thread.tcache.flush") == 0)
        atomic_fetch_add(&flushes, 1);
    return 0;
}

static void wait_flushes(unsigned n)
{
    while (atomic_load(&flushes) < n)
        sched_yield();
    assert_int_equal(flushes, n);
}

static void each_thread_gives_memory_back_when_it_has_nothing_to_do(void **state)
{
    fixture *f = *state;
    enum { WITH_THE_URGENT_ONE = THREADS + 1 };
    atomic_store(&flushes, 0);
    http_workers_rest(f->w);
    wait_flushes(WITH_THE_URGENT_ONE);

    assert_true(http_workers_lend(f->w, 1, stay, &f->g));
    wait_inside(&f->g, 1);
    http_workers_rest(f->w);
    wait_flushes(2 * WITH_THE_URGENT_ONE - 1);
    open_gate(&f->g);
    wait_flushes(2 * WITH_THE_URGENT_ONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(threads_are_lent_while_fewer_work_than_may),
        TEST(none_is_lent_when_all_are_at_work),
        TEST(a_request_that_waits_asks_for_threads_back),
        TEST(each_thread_gives_memory_back_when_it_has_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
