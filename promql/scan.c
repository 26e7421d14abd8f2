/* scan.c - loops without a branch, so that several samples are looked at at once.
 *
 * Each is compiled twice, for every x86-64 and for AVX2, and the machine decides at run time.
 */
#include "promql/scan.h"

#include "tsdb/samples.h"

#define INLINE static inline __attribute__((always_inline))

INLINE bool any_stale(const double *v, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t x = f64_bits(v[i]) ^ STALE_NAN_BITS;
        any |= (x - 1) & ~x; /* the upper bit is set for 0 alone */
    }
    return any >> 63 != 0;
}

INLINE bool any_fall(const double *v, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 1; i < n; i++)
        any |= v[i] < v[i - 1];
    return any != 0;
}

INLINE bool is_even(const int64_t *t, size_t n, int64_t each)
{
    uint64_t other = 0;
    for (size_t i = 1; i < n; i++)
        other |= ((uint64_t)t[i] - (uint64_t)t[i - 1]) ^ (uint64_t)each;
    return other == 0;
}

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))

AVX2 static bool any_stale_avx2(const double *v, size_t n)
{
    return any_stale(v, n);
}

AVX2 static bool any_fall_avx2(const double *v, size_t n)
{
    return any_fall(v, n);
}

AVX2 static bool is_even_avx2(const int64_t *t, size_t n, int64_t each)
{
    return is_even(t, n, each);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

static bool has_avx2(void)
{
    return false;
}

#define any_stale_avx2 any_stale
#define any_fall_avx2 any_fall
#define is_even_avx2 is_even

#endif

bool scan_any_stale(const double *v, size_t n)
{
    return has_avx2() ? any_stale_avx2(v, n) : any_stale(v, n);
}

bool scan_any_fall(const double *v, size_t n)
{
    return has_avx2() ? any_fall_avx2(v, n) : any_fall(v, n);
}

bool scan_is_even(const int64_t *t, size_t n, int64_t each)
{
    return has_avx2() ? is_even_avx2(t, n, each) : is_even(t, n, each);
}
