/* crc32c.c - CRC-32C by ISA-L, which picks the fastest way the machine has.
 *
 * Its way by AVX-512 leaves the upper halves of the vector registers in use. Until they are cleared each SSE instruction of
 * the thread, as nearly all of ours are, waits for the one that wrote its register last, and the system saves them at each
 * switch: the hash of labels took twice its time behind a checksum (docs/performance.md).
 */
#include "base/crc32c.h"

#include <isa-l/crc.h>

#ifdef __x86_64__
#include <immintrin.h>

__attribute__((target("avx"))) static void clear_upper_halves(void)
{
    _mm256_zeroupper();
}

static void leave_isal(void)
{
    if (__builtin_cpu_supports("avx"))
        clear_upper_halves();
}
#else
static void leave_isal(void)
{
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    enum {
        STEP = 1 << 30
    }; /* ISA-L takes an int; it reads only, though its pointer is not const */
    unsigned char *at = (unsigned char *)(uintptr_t)p;
    crc = ~crc;
    for (; n > STEP; n -= STEP, at += STEP)
        crc = crc32_iscsi(at, STEP, crc);
    crc = ~crc32_iscsi(at, (int)n, crc);
    leave_isal();
    return crc;
}
