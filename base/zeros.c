/* zeros.c - a mapping that nobody writes to. */
#include "base/zeros.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_BYTES = 2 * 1024 * 1024 };

static char *zeros;

static void map_zeros(void)
{
    char *p = mmap(NULL, 2 * (size_t)HUGE_BYTES, PROT_READ,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        fer_out_of_memory();
    zeros = p + (HUGE_BYTES - (uintptr_t)p % HUGE_BYTES);
    (void)madvise(zeros, HUGE_BYTES, MADV_HUGEPAGE); /* a wish */
}

const char *fer_zeros(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, map_zeros);
    return zeros;
}
