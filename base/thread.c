/* thread.c - pthreads with lock ranks.
 *
 * In FERULA_DEBUG builds each thread keeps a short stack of the mutexes it holds.
 */
#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#ifdef FERULA_DEBUG
enum { HELD_MAX = 16 };
static _Thread_local const fer_mutex *held[HELD_MAX];
static _Thread_local int n_held;

static void note_lock(const fer_mutex *m)
{
    for (int i = 0; i < n_held; i++) {
        if (m->rank != 0 && held[i]->rank >= m->rank) {
            fprintf(stderr, "lock order: %s (%d) taken while holding %s (%d)\n", m->name, m->rank,
                    held[i]->name, held[i]->rank);
            abort();
        }
    }
    assert(n_held < HELD_MAX);
    held[n_held++] = m;
}

static void note_unlock(const fer_mutex *m)
{
    for (int i = n_held - 1; i >= 0; i--) {
        if (held[i] == m) {
            for (; i + 1 < n_held; i++)
                held[i] = held[i + 1];
            n_held--;
            return;
        }
    }
    assert(!"unlock of a mutex this thread does not hold");
}

void fer_mutex_assert_held(const fer_mutex *m)
{
    for (int i = 0; i < n_held; i++)
        if (held[i] == m)
            return;
    assert(!"mutex not held");
}
#else
static void note_lock(const fer_mutex *m)
{
    (void)m;
}

static void note_unlock(const fer_mutex *m)
{
    (void)m;
}

void fer_mutex_assert_held(const fer_mutex *m)
{
    (void)m;
}
#endif

static void check(int rc)
{
    assert(rc == 0);
    (void)rc;
}

void fer_mutex_init(fer_mutex *m, const char *name, int rank)
{
    check(pthread_mutex_init(&m->m, NULL));
    m->rank = rank;
    m->name = name;
}

void fer_mutex_done(fer_mutex *m)
{
    check(pthread_mutex_destroy(&m->m));
}

void fer_mutex_lock(fer_mutex *m)
{
    note_lock(m);
    check(pthread_mutex_lock(&m->m));
}

void fer_mutex_unlock(fer_mutex *m)
{
    note_unlock(m);
    check(pthread_mutex_unlock(&m->m));
}

void fer_cond_init(fer_cond *c)
{
    pthread_condattr_t attr;
    check(pthread_condattr_init(&attr));
    check(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    check(pthread_cond_init(&c->c, &attr));
    check(pthread_condattr_destroy(&attr));
}

void fer_cond_done(fer_cond *c)
{
    check(pthread_cond_destroy(&c->c));
}

void fer_cond_wait(fer_cond *c, fer_mutex *m)
{
    check(pthread_cond_wait(&c->c, &m->m));
}

bool fer_cond_wait_ns(fer_cond *c, fer_mutex *m, uint64_t ns)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    uint64_t at = (uint64_t)ts.tv_nsec + ns % 1000000000u;
    ts.tv_sec += (time_t)(ns / 1000000000u + at / 1000000000u);
    ts.tv_nsec = (long)(at % 1000000000u);
    int rc = pthread_cond_timedwait(&c->c, &m->m, &ts);
    if (rc == ETIMEDOUT)
        return false;
    check(rc);
    return true;
}

void fer_cond_signal(fer_cond *c)
{
    check(pthread_cond_signal(&c->c));
}

void fer_cond_broadcast(fer_cond *c)
{
    check(pthread_cond_broadcast(&c->c));
}

typedef struct start {
    void (*fn)(void *arg);
    void *arg;
} start;

static void *trampoline(void *p)
{
    start s = *(start *)p;
    fer_free(p);
    s.fn(s.arg);
    return NULL;
}

fer_code fer_thread_start(fer_thread *ret, const char *name, void (*fn)(void *arg), void *arg,
                          fer_err *err)
{
    start *s = fer_alloc(sizeof *s);
    *s = (start){fn, arg};
    sigset_t all, old;
    sigfillset(&all);
    /* Faults stay with the thread that makes them. */
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_t t;
    int rc = pthread_create(&t, NULL, trampoline, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        fer_free(s);
        return fer_fail_sys(err, rc, "cannot start thread %s", name);
    }
    pthread_setname_np(t, name);
    ret->t = t;
    return FER_OK;
}

void fer_thread_join(fer_thread *t)
{
    check(pthread_join(t->t, NULL));
}

uint64_t fer_thread_cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void fer_thread_set_nice(int nice)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}
