/* buf.c - growable byte buffer with a maximum. */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void fer_buf_init(fer_buf *b, size_t max, fer_account *acct)
{
    *b = (fer_buf){.max = max, .acct = acct};
}

void fer_buf_done(fer_buf *b)
{
    fer_account_release(b->acct, b->cap);
    fer_free(b->p);
    *b = (fer_buf){.max = b->max, .acct = b->acct};
}

void fer_buf_clear(fer_buf *b)
{
    b->n = 0;
    b->full = false;
}

static bool grow(fer_buf *b, size_t need)
{
    size_t cap = b->cap < 32 ? 64 : b->cap > b->max / 2 ? b->max : b->cap * 2;
    if (cap < need) /* at once: who asks for much knows how much it will be */
        cap = need;
    if (cap > b->max)
        cap = b->max;
    if (b->acct != NULL && !fer_account_charge(b->acct, cap - b->cap))
        return false;
    b->p = fer_realloc(b->p, cap);
    b->cap = cap;
    return true;
}

char *fer_buf_grow(fer_buf *b, size_t extra)
{
    if (extra > b->max - b->n || !grow(b, b->n + extra)) {
        b->full = true;
        return NULL;
    }
    return b->p + b->n;
}

void fer_buf_put(fer_buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    char *at = fer_buf_room(b, n);
    if (at == NULL)
        return;
    memcpy(at, p, n);
    b->n += n;
}

void fer_buf_puts(fer_buf *b, fer_str s)
{
    fer_buf_put(b, s.p, s.n);
}

/* Prints n bytes, for which there is room, but not for the NUL that vsnprintf writes behind them. */
static void print_exactly(fer_buf *b, size_t n, const char *fmt, va_list ap)
{
    char *text = fer_alloc(n + 1);
    vsnprintf(text, n + 1, fmt, ap);
    fer_buf_put(b, text, n);
    fer_free(text);
}

void fer_buf_printf(fer_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    va_start(ap, fmt);
    if ((size_t)n == b->max - b->n) {
        print_exactly(b, (size_t)n, fmt, ap);
    } else {
        char *at = fer_buf_room(b, (size_t)n + 1);
        if (at != NULL) {
            vsnprintf(at, (size_t)n + 1, fmt, ap);
            b->n += (size_t)n;
        }
    }
    va_end(ap);
}
