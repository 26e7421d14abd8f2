#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/thread.h"

enum { PIECES = 200, STEPS = 6000, BYTES_MAX = 3 << 20 };

typedef struct piece {
    uint8_t *p;
    size_t n;
    uint8_t fill;
} piece;

static bool holds(const uint8_t *p, size_t n, uint8_t byte)
{
    return n == 0 || (p[0] == byte && memcmp(p, p + 1, n - 1) == 0);
}

/* Most pieces are small, as most of the head's. */
static void take(piece *x, fer_rng_seeded *rng)
{
    uint64_t r = fer_rng_seeded_next(rng);
    x->n = 1 + (r >> 8) % (r % 16 == 0 ? BYTES_MAX : 100000);
    x->fill = (uint8_t)(1 + (r >> 4) % 255);
    x->p = fer_pages_alloc(x->n);
    assert_int_equal((uintptr_t)x->p % 4096, 0);
    assert_true(holds(x->p, x->n, 0));
    memset(x->p, x->fill, x->n);
}

static void give(piece *x)
{
    assert_true(holds(x->p, x->n, x->fill));
    fer_pages_free(x->p, x->n);
    x->p = NULL;
}

static void pieces_are_zeros_and_keep_what_is_written(void **state)
{
    (void)state;
    static piece pieces[PIECES];
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, 11);
    for (int i = 0; i < STEPS; i++) {
        piece *x = &pieces[fer_rng_seeded_next(&rng) % PIECES];
        if (x->p == NULL)
            take(x, &rng);
        else
            give(x);
    }
    for (int i = 0; i < PIECES; i++)
        if (pieces[i].p != NULL)
            give(&pieces[i]);
    fer_pages_free(NULL, 1);
}

/* Sanitizers have memory of their own beside the pages. */
#if !defined FERULA_ASAN && !defined FERULA_TSAN

static void read_sizes(size_t *ret_mapped, size_t *ret_resident)
{
    unsigned long mapped, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &mapped, &resident), 2);
    fclose(f);
    *ret_mapped = mapped * (size_t)sysconf(_SC_PAGESIZE);
    *ret_resident = resident * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t resident_bytes(void)
{
    size_t mapped, resident;
    read_sizes(&mapped, &resident);
    return resident;
}

static size_t mapped_bytes(void)
{
    size_t mapped, resident;
    read_sizes(&mapped, &resident);
    return mapped;
}

/* Of a thousand pieces one in ten stays: its pages alone are resident, and the next pieces take the room between. */
static void what_is_freed_is_the_systems_at_once(void **state)
{
    (void)state;
    enum { N = 1000, BYTES = 64 * 1024, SLACK = 2 << 20 };
    static void *p[N];
    size_t resident = resident_bytes(), mapped = mapped_bytes();
    for (int i = 0; i < N; i++)
        p[i] = memset(fer_pages_alloc(BYTES), 1, BYTES);
    size_t most = mapped_bytes();
    assert_true(resident_bytes() - resident >= (size_t)N * BYTES * 9 / 10);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            if (i % 10 != 0)
                fer_pages_free(p[i], BYTES);
        assert_true(resident_bytes() - resident < (size_t)N * BYTES / 10 + SLACK);
        for (int i = 0; i < N; i++)
            if (i % 10 != 0)
                p[i] = fer_pages_alloc(BYTES);
        assert_true(mapped_bytes() <= most + SLACK);
    }
    for (int i = 0; i < N; i++)
        fer_pages_free(p[i], BYTES);
    assert_true(resident_bytes() < resident + SLACK);
    assert_true(mapped_bytes() < mapped + (8 << 20));
}

static void pages_never_written_take_no_memory(void **state)
{
    (void)state;
    size_t before = resident_bytes(), n = 64 << 20;
    uint8_t *p = fer_pages_alloc(n);
    p[n / 2] = 1;
    assert_true(resident_bytes() - before < 1 << 20);
    fer_pages_free(p, n);
}

static void a_piece_that_is_cleared_takes_no_memory(void **state)
{
    (void)state;
    size_t n = 4 << 20, before = resident_bytes();
    uint8_t *p = memset(fer_pages_alloc(n), 1, n);
    assert_true(resident_bytes() - before > n * 9 / 10);
    fer_pages_clear(p, n);
    assert_true(resident_bytes() - before < n / 4);
    assert_true(holds(p, n, 0));
    fer_pages_free(p, n);
}

static void pages_of_zeros_need_not_stay(void **state)
{
    (void)state;
    size_t n = 4 << 20, before = resident_bytes();
    uint8_t *p = memset(fer_pages_alloc(n), 1, n);
    assert_true(resident_bytes() - before > n * 9 / 10);
    memset(p, 0, n);
    p[0] = p[n / 2 + 4095] = p[n - 1] = 7;
    fer_pages_trim(p, n);
    assert_true(resident_bytes() - before < n / 4);
    assert_true(p[0] == 7 && p[n / 2 + 4095] == 7 && p[n - 1] == 7);
    p[0] = p[n / 2 + 4095] = p[n - 1] = 0;
    assert_true(holds(p, n, 0));
    fer_pages_free(p, n);
}

#endif

static void use(void *arg)
{
    fer_rng_seeded rng;
    fer_rng_seeded_init(&rng, *(int *)arg);
    piece x[8] = {{0}};
    for (int i = 0; i < 1000; i++) {
        piece *at = &x[i % 8];
        if (at->p != NULL)
            give(at);
        at->n = 1 + fer_rng_seeded_next(&rng) % 50000;
        at->fill = (uint8_t)i;
        at->p = memset(fer_pages_alloc(at->n), i, at->n);
    }
    for (int i = 0; i < 8; i++)
        give(&x[i]);
}

static void threads_share_areas(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    fer_thread t[THREADS];
    int seed[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seed[i] = i;
        assert_int_equal(fer_thread_start(&t[i], "pages", use, &seed[i], NULL), FER_OK);
    }
    for (int i = 0; i < THREADS; i++)
        fer_thread_join(&t[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeros_and_keep_what_is_written),
#if !defined FERULA_ASAN && !defined FERULA_TSAN
        cmocka_unit_test(what_is_freed_is_the_systems_at_once),
        cmocka_unit_test(pages_never_written_take_no_memory),
        cmocka_unit_test(a_piece_that_is_cleared_takes_no_memory),
        cmocka_unit_test(pages_of_zeros_need_not_stay),
#endif
        cmocka_unit_test(threads_share_areas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
