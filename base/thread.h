/* thread.h - mutexes with ranks, condition variables, threads.
 *
 * Each mutex carries a rank; in builds with FERULA_DEBUG a thread that locks a
 * mutex whose rank is not above all it holds stops with both names. Ranks are
 * listed in docs/threads.md. Rank 0 is not checked.
 */
#ifndef FERULA_BASE_THREAD_H
#define FERULA_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct fer_mutex {
    pthread_mutex_t m;
    int rank;
    const char *name;
} fer_mutex;

typedef struct fer_cond {
    pthread_cond_t c;
} fer_cond;

void fer_mutex_init(fer_mutex *m, const char *name, int rank);
void fer_mutex_done(fer_mutex *m);
void fer_mutex_lock(fer_mutex *m);
void fer_mutex_unlock(fer_mutex *m);
/* Asserts, in FERULA_DEBUG builds, that the calling thread holds m. */
void fer_mutex_assert_held(const fer_mutex *m);

void fer_cond_init(fer_cond *c);
void fer_cond_done(fer_cond *c);
void fer_cond_wait(fer_cond *c, fer_mutex *m);
/* False when the time (monotonic, relative) ran out. */
bool fer_cond_wait_ns(fer_cond *c, fer_mutex *m, uint64_t ns);
void fer_cond_signal(fer_cond *c);
void fer_cond_broadcast(fer_cond *c);

typedef struct fer_thread {
    pthread_t t;
} fer_thread;

/* name: at most 15 bytes, static. Signals are blocked in the new thread. */
FER_MUST_CHECK fer_code fer_thread_start(fer_thread *ret, const char *name, void (*fn)(void *arg),
                                         void *arg, fer_err *err);
void fer_thread_join(fer_thread *t);
/* CPU time of the calling thread, user and system. */
uint64_t fer_thread_cpu_ns(void);
/* The calling thread, and those it starts, give way to others where processors are short: 0 (as all begin) to 19. In Linux
 * a priority is the thread's own. */
void fer_thread_set_nice(int nice);

#endif
