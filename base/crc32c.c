/* crc32c.c - CRC-32C by ISA-L, which picks the fastest way the machine has. */
#include "base/crc32c.h"

#include <isa-l/crc.h>

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
    enum {
        STEP = 1 << 30
    }; /* ISA-L takes an int; it reads only, though its pointer is not const */
    unsigned char *at = (unsigned char *)(uintptr_t)p;
    crc = ~crc;
    for (; n > STEP; n -= STEP, at += STEP)
        crc = crc32_iscsi(at, STEP, crc);
    return ~crc32_iscsi(at, (int)n, crc);
}
