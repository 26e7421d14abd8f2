/* pages.h - memory in pieces of whole pages, from the kernel and back to it.
 *
 * For what comes and goes in large numbers, such as all that the head has of a series. An allocator for everything keeps
 * records of each stretch of addresses it ever had, and puts what stays beside what goes; here a piece that is freed
 * is the kernel's again at once, pages never written take no memory, and a bit a page is all that is kept.
 *
 * Pieces lie in areas of 1,024 pages, in the lowest that has room, so that the others become empty and are unmapped. A piece
 * that is larger than half an area is a mapping of its own. One mapping a piece would not do: the kernel limits how many
 * a process has. Areas are not made of huge pages (docs/performance.md).
 *
 * With AddressSanitizer pieces are malloc's, which finds what is read and written outside of them.
 * Threads: any.
 */
#ifndef FERULA_BASE_PAGES_H
#define FERULA_BASE_PAGES_H

#include <stddef.h>

#include "base/mem.h"

/* At least `bytes` (not 0), of zeros, at the begin of a page. True failure stops the process, as in fer_alloc(). */
FER_NEVER_NULL void *fer_pages_alloc(size_t bytes);
/* `bytes` as it was asked for. NULL is fine. */
void fer_pages_free(void *p, size_t bytes);
/* Makes zeros of a piece, which then takes no memory. What others read or write of it meanwhile, a word at a time, is as before or zero. */
void fer_pages_clear(void *p, size_t bytes);
/* Gives those pages of a piece to the kernel that hold nothing but zeros. Nobody writes to it meanwhile. */
void fer_pages_trim(void *p, size_t bytes);

#endif
