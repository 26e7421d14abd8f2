/* head_rewrite.c - changes within a series' past, for replay only: rare, so the whole series is decoded and
 * encoded again.
 */
#include <assert.h>
#include <string.h>

#include "tsdb/head/head_hist.h"

/* Appends the samples of a full chunk in the range. What of a chunk of chunks_head does not decode is told and
 * left out. */
static void read_full(const head *h, const full_chunk *c, int64_t mint, int64_t maxt, samples *out)
{
    fer_err err = {0};
    fer_code code = head_full_decode(h, c, mint, maxt, out, &err);
    assert(code == FER_OK || c->file != 0);
    if (code != FER_OK)
        LOGW(h->log, "A chunk of chunks_head cannot be read", "file", LOG_INT(c->file), "offset",
             LOG_INT(c->at), "err", err.msg);
}

static void read_open(const head *h, const pub_rec *s, int64_t mint, int64_t maxt, samples *out)
{
    uint8_t bytes[XOR_CHUNK_BYTES_SOFT];
    fer_code code;
    if (s->is_hist) {
        const hist_chunk *c = head_hist_open(h, s);
        code = chunk_decode(hist_chunk_encoding(c), hist_chunk_bytes(c), mint, maxt, out);
    } else {
        head_open_bytes(h, s, bytes);
        fer_str chunk = {(const char *)bytes, xor_bytes(&s->app)};
        code = xor_decode(chunk, s->app.n, mint, maxt, out);
    }
    assert(code == FER_OK);
    (void)code;
}

static void read_range(const head *h, const pub_rec *s, int64_t mint, int64_t maxt, samples *out)
{
    const full_list *list = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        const full_chunk *c = &list->c[i];
        if (c->mint <= maxt && full_maxt(c) >= mint)
            read_full(h, c, mint, maxt, out);
    }
    if (s->open != 0)
        read_open(h, s, mint, maxt, out);
}

static void drop_chunks(head *h, pub_rec *s)
{
    full_list *list = s->full == 0 ? NULL : slab_ptr(&h->chunks, s->full);
    for (uint32_t i = 0; list != NULL && i < list->n; i++) {
        if (list->c[i].file != 0)
            s->stays = true;
        else
            slab_free(&h->chunks, list->c[i].at);
    }
    uint32_t n = (list != NULL ? list->n : 0) + (s->open != 0);
    h->n_chunks -= n;
    h->n_chunks_created -= n;
    slab_free(&h->chunks, s->full);
    if (s->open != 0)
        head_drop_open(h, s);
    s->full = 0;
    s->app = (xor_appender){0};
}

/* Both ascending: the samples of `late` at times that `have` does not know. */
static size_t count_missing(const samples *have, const head_late *late, size_t n)
{
    size_t missing = 0, i = 0;
    for (size_t k = 0; k < n; k++) {
        if (k > 0 && late[k].t == late[k - 1].t)
            continue;
        while (i < have->n && have->t[i] < late[k].t)
            i++;
        missing += i == have->n || have->t[i] != late[k].t;
    }
    return missing;
}

/* Appends the sample i of `from`; `tmp` is emptied. */
static void append_again(head *h, uint32_t slot, const samples *from, size_t i, fer_arena *tmp)
{
    if (from->type == NULL || from->type[i] == SAMPLE_FLOAT) {
        head_append(h, slot, from->t[i], from->v[i]);
        return;
    }
    hist_sample s;
    fer_arena_reset(tmp);
    bool ok = hist_narrow(from->h[i], from->type[i] == SAMPLE_FLOAT_HISTOGRAM, tmp, &s);
    assert(ok); /* the arena has no limit */
    (void)ok;
    head_append_hist(h, slot, from->t[i], &s);
}

static void append_merged(head *h, uint32_t slot, const samples *have, const head_late *late,
                          size_t n)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *tmp = fer_arena_new(NULL, 0);
    size_t i = 0;
    for (size_t k = 0; k < n; k++) {
        for (; i < have->n && have->t[i] <= late[k].t; i++)
            append_again(h, slot, have, i, tmp);
        if (head_pub_rec(h, slot)->open != 0 && late[k].t <= head_pub_rec(h, slot)->app.t)
            continue;
        if (late[k].hist != NULL)
            head_append_hist(h, slot, late[k].t, late[k].hist);
        else
            head_append(h, slot, late[k].t, late[k].v);
    }
    for (; i < have->n; i++)
        append_again(h, slot, have, i, tmp);
}

size_t head_merge(head *h, const head_late *late, size_t n)
{
    assert(h->readers.next == &h->readers);
    pub_rec *s = head_pub_rec(h, late->slot);
    samples have;
    samples_init(&have, NULL);
    read_range(h, s, INT64_MIN, INT64_MAX, &have);
    size_t missing = count_missing(&have, late, n);
    if (missing != 0) {
        drop_chunks(h, s);
        append_merged(h, late->slot, &have, late, n);
    }
    samples_done(&have);
    return missing;
}
