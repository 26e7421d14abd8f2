#include "base/thread.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

typedef struct shared {
    fer_mutex mu;
    fer_cond cond;
    int n;
    bool ready;
    char name[16];
    sigset_t mask;
} shared;

static void shared_init(shared *s)
{
    *s = (shared){0};
    fer_mutex_init(&s->mu, "test", 10);
    fer_cond_init(&s->cond);
}

static void shared_done(shared *s)
{
    fer_cond_done(&s->cond);
    fer_mutex_done(&s->mu);
}

static void count_up(void *arg)
{
    shared *s = arg;
    for (int i = 0; i < 20000; i++) {
        fer_mutex_lock(&s->mu);
        fer_mutex_assert_held(&s->mu);
        s->n++;
        fer_mutex_unlock(&s->mu);
    }
}

static void a_mutex_excludes(void **state)
{
    shared s;
    shared_init(&s);
    fer_thread t[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(fer_thread_start(&t[i], "count", count_up, &s, NULL), FER_OK);
    for (int i = 0; i < 4; i++)
        fer_thread_join(&t[i]);
    assert_int_equal(s.n, 80000);
    shared_done(&s);
}

static void announce(void *arg)
{
    shared *s = arg;
    fer_mutex_lock(&s->mu);
    s->ready = true;
    fer_cond_signal(&s->cond);
    fer_mutex_unlock(&s->mu);
}

static void a_condition_wakes_the_waiter(void **state)
{
    shared s;
    shared_init(&s);
    fer_thread t;
    fer_mutex_lock(&s.mu);
    assert_int_equal(fer_thread_start(&t, "announce", announce, &s, NULL), FER_OK);
    while (!s.ready)
        fer_cond_wait(&s.cond, &s.mu);
    fer_mutex_assert_held(&s.mu);
    fer_mutex_unlock(&s.mu);
    fer_thread_join(&t);
    shared_done(&s);
}

static void waiting_ends_with_the_time(void **state)
{
    shared s;
    shared_init(&s);
    fer_clock *c = fer_clock_system();
    fer_mutex_lock(&s.mu);
    uint64_t before = c->mono_ns(c);
    while (fer_cond_wait_ns(&s.cond, &s.mu, 20000000))
        ; /* woken for nothing */
    assert_true(c->mono_ns(c) - before >= 20000000);
    assert_false(fer_cond_wait_ns(&s.cond, &s.mu, 0));
    fer_mutex_unlock(&s.mu);
    shared_done(&s);
}

static void look_around(void *arg)
{
    shared *s = arg;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
}

static void a_thread_takes_no_signals_but_its_own_faults(void **state)
{
    shared s;
    shared_init(&s);
    fer_thread t;
    assert_int_equal(fer_thread_start(&t, "look", look_around, &s, NULL), FER_OK);
    fer_thread_join(&t);
    assert_int_equal(sigismember(&s.mask, SIGTERM), 1);
    assert_int_equal(sigismember(&s.mask, SIGHUP), 1);
    assert_int_equal(sigismember(&s.mask, SIGBUS), 0);
    assert_int_equal(sigismember(&s.mask, SIGSEGV), 0);
    sigset_t own;
    pthread_sigmask(SIG_SETMASK, NULL, &own);
    assert_int_equal(sigismember(&own, SIGTERM), 0); /* ours is as before */
    shared_done(&s);
}

#ifdef FERULA_DEBUG
/* Runs fn in a child; whether the child was stopped by abort(). */
static bool aborts(void (*fn)(fer_mutex *low, fer_mutex *high))
{
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        fer_mutex low, high;
        fer_mutex_init(&low, "low", 10);
        fer_mutex_init(&high, "high", 20);
        fn(&low, &high);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void in_order(fer_mutex *low, fer_mutex *high)
{
    for (int i = 0; i < 3; i++) {
        fer_mutex_lock(low);
        fer_mutex_lock(high);
        fer_mutex_unlock(low); /* giving back in any order is fine */
        fer_mutex_assert_held(high);
        fer_mutex_unlock(high);
    }
}

static void against_order(fer_mutex *low, fer_mutex *high)
{
    fer_mutex_lock(high);
    fer_mutex_lock(low);
}

static void twice(fer_mutex *low, fer_mutex *high)
{
    fer_mutex_lock(low);
    fer_mutex_lock(low);
}

static void not_held(fer_mutex *low, fer_mutex *high)
{
    fer_mutex_lock(low);
    fer_mutex_assert_held(high);
}

static void unlock_unheld(fer_mutex *low, fer_mutex *high)
{
    fer_mutex_unlock(low);
}

static void locks_against_their_rank_stop_the_process(void **state)
{
    assert_false(aborts(in_order));
    assert_true(aborts(against_order));
    assert_true(aborts(twice));
    assert_true(aborts(not_held));
    assert_true(aborts(unlock_unheld));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutex_excludes),
        cmocka_unit_test(a_condition_wakes_the_waiter),
        cmocka_unit_test(waiting_ends_with_the_time),
        cmocka_unit_test(a_thread_takes_no_signals_but_its_own_faults),
#ifdef FERULA_DEBUG
        cmocka_unit_test(locks_against_their_rank_stop_the_process),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
