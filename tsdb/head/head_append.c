/* head_append.c - open chunks, where they end, and bytes that readers still look at.
 *
 * A chunk ends where Prometheus ends it (FORMAT.md 13), so that the chunks of both are equal byte for byte:
 * when its bytes pass XOR_CHUNK_BYTES_SOFT, at the end of its 2 h range, at the time foreseen after a quarter
 * of its samples so that chunks of a range get equal length, or at twice the target.
 *
 * An open chunk's item holds its whole bytes; the count in front is written when it is full, and the byte
 * being filled stands in the record. It grows by moving to a larger item; what a reader pinned stays as
 * it is: whole bytes are never changed, and items left behind go to the retired list while
 * any reader that could know them is open.
 */
#include <assert.h>
#include <string.h>

#include "base/varint.h"
#include "tsdb/head/head_hist.h"

enum { CHUNK_BYTES_CUT = XOR_CHUNK_BYTES_SOFT - XOR_SAMPLE_BYTES_MAX };

/* ---- retiring ---- */

void head_reader_begin(head *h, head_reader *r)
{
    fer_mutex_assert_held(&h->publish);
    r->seq = ++h->reader_seq;
    r->next = &h->readers;
    r->prev = h->readers.prev;
    r->prev->next = r;
    h->readers.prev = r;
}

static void unmap_left(head *h, uint64_t oldest)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->n_left_maps; i++) {
        if (h->left_maps[i].seq < oldest)
            vfs_unmap(&h->left_maps[i].map);
        else
            h->left_maps[kept++] = h->left_maps[i];
    }
    h->n_left_maps = kept;
}

/* Frees what was retired before the oldest open reader began. */
static void free_retired(head *h)
{
    uint64_t oldest = h->readers.next == &h->readers ? UINT64_MAX : h->readers.next->seq;
    unmap_left(h, oldest);
    while (h->retired_first < h->n_retired && h->retired[h->retired_first].seq < oldest)
        slab_free(&h->chunks, h->retired[h->retired_first++].ref);
    if (h->retired_first == h->n_retired) {
        fer_account_release(&h->acct, h->cap_retired * sizeof *h->retired);
        fer_free(h->retired);
        h->retired = NULL;
        h->retired_first = h->n_retired = h->cap_retired = 0;
    }
}

void head_reader_end(head *h, head_reader *r)
{
    fer_mutex_assert_held(&h->publish);
    bool was_oldest = h->readers.next == r;
    r->prev->next = r->next;
    r->next->prev = r->prev;
    if (was_oldest && h->n_retired + h->n_left_maps != 0)
        free_retired(h);
}

void head_retire_map(head *h, vfs_map m)
{
    fer_mutex_assert_held(&h->publish);
    if (h->n_left_maps == h->cap_left_maps) {
        h->cap_left_maps = h->cap_left_maps == 0 ? 8 : h->cap_left_maps * 2;
        h->left_maps = fer_realloc(h->left_maps, h->cap_left_maps * sizeof *h->left_maps);
    }
    h->left_maps[h->n_left_maps++] = (head_left_map){m, h->reader_seq};
    if (h->readers.next == &h->readers)
        unmap_left(h, UINT64_MAX);
}

void head_retire(head *h, slab_ref ref)
{
    if (ref == 0)
        return;
    if (h->readers.next == &h->readers) {
        slab_free(&h->chunks, ref);
        return;
    }
    if (h->n_retired == h->cap_retired) {
        size_t cap = h->cap_retired == 0 ? 256 : h->cap_retired * 2;
        h->retired = fer_realloc(h->retired, cap * sizeof *h->retired);
        fer_account_force(&h->acct, (cap - h->cap_retired) * sizeof *h->retired);
        h->cap_retired = cap;
    }
    h->retired[h->n_retired++] = (head_retired){ref, h->reader_seq};
}

/* ---- chunks ---- */

/* How far the end of t's range is, the range found by Go's truncating division. */
static uint32_t range_left(int64_t t, int64_t range)
{
    return (uint32_t)(range - t % range);
}

/* Where a chunk should end so that those until max_t get about equal length, given that the samples from
 * start to cur are `1/ratio` of one. */
static int64_t chunk_end(int64_t start, int64_t cur, int64_t max_t, double ratio)
{
    double n = (double)(max_t - start) / ((double)(cur - start + 1) * ratio);
    if (n <= 1)
        return max_t;
    return (int64_t)((double)start + (double)(max_t - start) / __builtin_floor(n));
}

static void begin_chunk(head *h, pub_rec *s, int64_t t)
{
    xor_init(&s->app);
    s->open = slab_alloc(&h->chunks, OPEN_BYTES_FIRST);
    s->cap = OPEN_BYTES_FIRST;
    s->tail = 0;
    s->min_t = t;
    s->next_ms = range_left(t, h->chunk_range_ms);
    h->n_chunks++;
    h->n_chunks_created++;
}

/* Room for one more entry. */
static full_list *full_room(head *h, pub_rec *s)
{
    full_list *old = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    size_t n = old == NULL ? 0 : old->n;
    size_t need = sizeof(full_list) + (n + 1) * sizeof(full_chunk);
    if (old != NULL && slab_size(&h->chunks, s->full) >= need)
        return old;
    slab_ref ref = slab_alloc(&h->chunks, need + n / 8 * sizeof(full_chunk));
    full_list *list = slab_ptr(&h->chunks, ref);
    if (old == NULL)
        list->n = 0;
    else
        memcpy(list, old, sizeof *old + n * sizeof(full_chunk));
    head_retire(h, s->full);
    s->full = ref;
    return list;
}

void head_open_bytes(const head *h, const pub_rec *s, uint8_t *out)
{
    size_t whole = s->app.bits / 8;
    be16_put(out, s->app.n);
    memcpy(out + 2, (const uint8_t *)slab_ptr(&h->chunks, s->open) + 2, whole - 2);
    if (s->app.bits % 8 != 0)
        out[whole] = s->tail;
}

void head_add_full(head *h, pub_rec *s, const full_chunk *c)
{
    full_list *list = full_room(h, s);
    list->c[list->n++] = *c;
}

/* Moves the open chunk to the list of full ones, in an item of its size. */
void head_finish_chunk(head *h, pub_rec *s)
{
    if (s->is_hist) {
        head_hist_finish(h, s);
        return;
    }
    size_t bytes = xor_bytes(&s->app);
    slab_ref data = slab_alloc(&h->chunks, bytes);
    head_open_bytes(h, s, slab_ptr(&h->chunks, data));
    head_retire(h, s->open);
    head_add_full(h, s,
                  &(full_chunk){s->min_t, (uint32_t)(s->app.t - s->min_t), data, (uint32_t)bytes, 0,
                                CHUNK_XOR});
    s->open = 0;
}

void head_attach(head *h, uint32_t slot, const full_chunk *c)
{
    pub_rec *s = head_pub_rec(h, slot);
    assert(s->open == 0);
    head_add_full(h, s, c);
    h->n_chunks++;
    h->n_chunks_created++;
    head_note_times(h, c->mint, full_maxt(c));
}

fer_code head_full_bytes(const head *h, const full_chunk *c, fer_str *ret, fer_err *err)
{
    if (c->file != 0)
        return chunks_head_get(h->files, (head_place){c->file, c->at}, c->bytes, ret, err);
    *ret = (fer_str){slab_ptr(&h->chunks, c->at), c->bytes};
    return FER_OK;
}

void head_full_prefetch(const head *h, const full_chunk *c)
{
    if (c->file != 0)
        chunks_head_prefetch(h->files, (head_place){c->file, c->at}, c->bytes);
}

fer_code head_full_decode(const head *h, const full_chunk *c, int64_t mint, int64_t maxt,
                          samples *out, fer_err *err)
{
    fer_str bytes;
    FER_TRY(head_full_bytes(h, c, &bytes, err));
    /* Foreign bytes may go further than the entry says. */
    fer_code code = chunk_decode(c->encoding, bytes, mint > c->mint ? mint : c->mint,
                                 maxt < full_maxt(c) ? maxt : full_maxt(c), out);
    if (code == FER_OK || code == FER_LIMIT)
        return code;
    return fer_fail(err, code, "a chunk of encoding %u does not decode", c->encoding);
}

void head_drop_open(head *h, pub_rec *s)
{
    if (s->is_hist)
        head_hist_drop(h, s);
    else
        head_retire(h, s->open);
    s->open = 0;
}

/* Prometheus' decision before a sample is appended. An open chunk of histograms always has too many bytes. */
static bool must_cut(pub_rec *s, int64_t t)
{
    if (xor_bytes(&s->app) > CHUNK_BYTES_CUT)
        return true;
    if (s->app.n == CHUNK_SAMPLES / 4) {
        int64_t end = chunk_end(s->min_t, s->app.t, s->min_t + s->next_ms, 4);
        s->next_ms = (uint32_t)(end - s->min_t);
    }
    return (uint64_t)t - (uint64_t)s->min_t >= s->next_ms || s->app.n >= 2 * CHUNK_SAMPLES;
}

/* Moves the open chunk, its whole bytes, to an item with room for `need` bytes. */
static void move_open(head *h, pub_rec *s, size_t whole, size_t need)
{
    size_t more = need + (need < 64 ? need / 2 : 32);
    slab_ref ref = slab_alloc(&h->chunks, need > s->cap ? more : s->cap);
    memcpy(slab_ptr(&h->chunks, ref), slab_ptr(&h->chunks, s->open), whole);
    head_retire(h, s->open);
    s->open = ref;
    s->cap = (uint16_t)slab_size(&h->chunks, ref);
}

/* Writes the bytes from the open one on, `bytes` of them that count, behind the open chunk's whole ones. The chunk's memory,
 * mostly far away, is only written to, and an item needs no room beyond its bytes. */
static inline void put_open(head *h, pub_rec *s, uint32_t from, const uint8_t *aside,
                            uint32_t bytes)
{
    if (from + bytes > s->cap || slab_is_sparse(&h->chunks, s->open))
        move_open(h, s, from, from + bytes);
    uint8_t *to = (uint8_t *)slab_ptr(&h->chunks, s->open) + from;
    if (bytes <= 8 && from + 8 <= s->cap)
        memcpy(to, aside, 8);
    else
        memcpy(to, aside, bytes);
}

static void encode_any(head *h, pub_rec *s, int64_t t, double v)
{
    uint8_t aside[XOR_SAMPLE_BYTES_MAX + 8];
    uint32_t from = s->app.bits / 8;
    xor_append_at(&s->app, s->tail, aside, t, v);
    uint32_t bytes = (s->app.bits + 7) / 8 - from;
    s->tail = s->app.bits % 8 == 0 ? 0 : aside[bytes - 1];
    put_open(h, s, from, aside, bytes);
}

/* Encodes one sample behind the open chunk's bytes, aside, from the open byte on, which is kept in the record. */
static inline void encode(head *h, pub_rec *s, int64_t t, double v)
{
    uint32_t from = s->app.bits / 8;
    unsigned used = s->app.bits % 8;
    uint64_t code;
    unsigned k = xor_append_short(&s->app, t, v, &code);
    if (__builtin_expect(k == 0, 0)) {
        encode_any(h, s, t, v);
        return;
    }
    used += k;
    uint64_t word = (uint64_t)s->tail << 56 | code << (64 - used);
    uint8_t aside[8];
    be64_put(aside, word);
    put_open(h, s, from, aside, (used + 7) / 8);
    s->tail = (uint8_t)(word << (used / 8 * 8) >> 56);
}

void head_append(head *h, uint32_t slot, int64_t t, double v)
{
    pub_rec *s = head_pub_rec(h, slot);
    if (s->open == 0) {
        begin_chunk(h, s, t);
    } else if (must_cut(s, t)) {
        head_finish_chunk(h, s);
        begin_chunk(h, s, t);
    }
    encode(h, s, t, v);
    head_note_times(h, t, t);
}

/* What readers pinned stays as it is: the list is copied, never changed in front. */
static uint32_t drop_full(head *h, pub_rec *s, int64_t mint)
{
    const full_list *old = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    uint32_t n = 0;
    for (; old != NULL && n < old->n && full_maxt(&old->c[n]) < mint; n++)
        if (old->c[n].file == 0)
            head_retire(h, old->c[n].at);
    if (n == 0)
        return 0;
    slab_ref ref = 0;
    uint32_t left = old->n - n;
    if (left != 0) {
        ref = slab_alloc(&h->chunks, sizeof(full_list) + left * sizeof(full_chunk));
        full_list *list = slab_ptr(&h->chunks, ref);
        list->n = left;
        memcpy(list->c, old->c + n, left * sizeof(full_chunk));
    }
    head_retire(h, s->full);
    s->full = ref;
    return n;
}

uint32_t head_drop_before(head *h, uint32_t slot, int64_t mint)
{
    fer_mutex_assert_held(&h->publish);
    pub_rec *s = head_pub_rec(h, slot);
    uint32_t n = drop_full(h, s, mint);
    if (s->open != 0 && s->app.t < mint) {
        head_drop_open(h, s);
        n++;
    }
    h->n_chunks -= n;
    return n;
}

bool head_overlaps(const head *h, const pub_rec *s, int64_t mint, int64_t maxt)
{
    if (s->open != 0 && s->min_t <= maxt && s->app.t >= mint)
        return true;
    if (s->full == 0)
        return false;
    const full_list *list = slab_ptr(&h->chunks, s->full);
    for (uint32_t i = list->n; i-- > 0;)
        if (list->c[i].mint <= maxt && full_maxt(&list->c[i]) >= mint)
            return true;
    return false;
}
