/* buf.h - growable byte buffer that is given its maximum at birth.
 *
 * Appending past the maximum (or past the account's limit) sets `full` and
 * changes nothing; callers may append many times and check once.
 * Threads: one at a time.
 */
#ifndef FERULA_BASE_BUF_H
#define FERULA_BASE_BUF_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

typedef struct fer_buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max;
    fer_account *acct; /* charged with cap; may be NULL */
    bool full;         /* an append did not fit */
} fer_buf;

void fer_buf_init(fer_buf *b, size_t max, fer_account *acct);
void fer_buf_done(fer_buf *b);  /* frees the bytes; the buffer may be initialised again */
void fer_buf_clear(fer_buf *b); /* n = 0, full = false; keeps the memory */
/* fer_buf_room() where there is none yet. */
char *fer_buf_grow(fer_buf *b, size_t extra);
/* Room for `extra` more bytes at b->p + b->n, or NULL (and full is set). Then add to b->n. */
static inline char *fer_buf_room(fer_buf *b, size_t extra)
{
    bool there = b->cap - b->n >= extra && b->p != NULL;
    return there ? b->p + b->n : fer_buf_grow(b, extra);
}
void fer_buf_put(fer_buf *b, const void *p, size_t n);
void fer_buf_puts(fer_buf *b, fer_str s);
static inline void fer_buf_putc(fer_buf *b, char c)
{
    char *at = fer_buf_room(b, 1);
    if (at != NULL) {
        *at = c;
        b->n++;
    }
}
void fer_buf_printf(fer_buf *b, const char *fmt, ...) FER_PRINTF(2, 3);

static inline fer_str fer_buf_str(const fer_buf *b)
{
    return (fer_str){b->p, b->n};
}

#endif
