/* crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4), as all Prometheus files use it. */
#ifndef FERULA_BASE_CRC32C_H
#define FERULA_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues crc (0 to begin) over n bytes. crc32c(0, "123456789", 9) = 0xe3069283. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
