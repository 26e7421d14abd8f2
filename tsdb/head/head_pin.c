/* head_pin.c */
#include "tsdb/head/head_pin.h"

#include <assert.h>
#include <string.h>

#include "base/varint.h"
#include "tsdb/head/head_hist.h"

static bool pin_hist(const head *h, const pub_rec *s, head_hist_pins *pins, head_pin *ret)
{
    if (pins->n == pins->cap) {
        uint32_t cap = pins->cap == 0 ? 16 : pins->cap * 2;
        head_hist_pin *v =
            fer_arena_grow(pins->arena, pins->v, pins->cap * sizeof *v, cap * sizeof *v);
        if (v == NULL)
            return false;
        pins->v = v;
        pins->cap = cap;
    }
    const hist_chunk *c = head_hist_open(h, s);
    fer_str bytes = fer_arena_dup(pins->arena, hist_chunk_bytes(c));
    if (bytes.p == NULL)
        return false;
    pins->v[pins->n] = (head_hist_pin){s->min_t, s->app.t, bytes, hist_chunk_encoding(c)};
    ret->is_hist = true;
    ret->open = ++pins->n;
    return true;
}

bool head_pin_take(const head *h, uint32_t slot, int64_t mint, int64_t maxt, head_hist_pins *hist,
                   head_pin *ret)
{
    const pub_rec *s = head_pub_rec(h, slot);
    *ret = (head_pin){.labels = head_series_labels(h, slot)};
    /* Full chunks end before the open one begins. Their list is not looked at without need: it is far away. */
    if (s->full != 0 && (s->open == 0 || s->min_t > mint)) {
        ret->full = s->full;
        ret->n_full = ((const full_list *)slab_ptr(&h->chunks, s->full))->n;
    }
    if (s->open == 0 || s->min_t > maxt || s->app.t < mint)
        return true;
    if (s->is_hist)
        return pin_hist(h, s, hist, ret);
    ret->open = s->open;
    ret->bytes = (uint16_t)xor_bytes(&s->app);
    ret->whole = (uint16_t)(s->app.bits / 8);
    ret->n = s->app.n;
    ret->tail = s->tail;
    return true;
}

void head_pin_prefetch(const head *h, const head_pin *pin)
{
    enum { LINE = 64, LINES_MAX = 4 };
    if (pin->n_full != 0)
        __builtin_prefetch(slab_ptr(&h->chunks, pin->full));
    if (pin->open == 0 || pin->is_hist)
        return;
    const uint8_t *p = slab_ptr(&h->chunks, pin->open);
    for (unsigned at = 0; at < pin->bytes && at < LINES_MAX * LINE; at += LINE)
        __builtin_prefetch(p + at);
}

const full_chunk *head_pin_full(const head *h, const head_pin *pin)
{
    return pin->n_full == 0 ? NULL : ((const full_list *)slab_ptr(&h->chunks, pin->full))->c;
}

void head_pin_open_bytes(const head *h, const head_pin *pin, uint8_t *out)
{
    assert(pin->bytes <= XOR_CHUNK_BYTES_SOFT && pin->bytes > 2);
    /* The count in front is not there yet and the last byte may be changing: both are the pin's. */
    memcpy(out + 2, (const uint8_t *)slab_ptr(&h->chunks, pin->open) + 2, pin->whole - 2U);
    be16_put(out, pin->n);
    if (pin->whole < pin->bytes)
        out[pin->whole] = pin->tail;
}
