/* zeros.h - zeros for who writes them to a file.
 *
 * Mapped when they are first asked for, and never written to. Where the system has a huge page of zeros, which all processes
 * share, they are that: in one piece for the disk, and none of this process' memory. Else each page is the system's page of
 * zeros.
 * Threads: any.
 */
#ifndef FERULA_BASE_ZEROS_H
#define FERULA_BASE_ZEROS_H

#include "base/mem.h"

enum { FER_ZEROS_BYTES = 1024 * 1024 };

/* So many, at the begin of a page. */
FER_NEVER_NULL const char *fer_zeros(void);

#endif
