/* cumulate.c - streams by fingerprint in a table with linear probing; each owns its arrays. */
#include "server/otlp/cumulate.h"

#include "base/thread.h"
#include "server/remote/pb.h"

enum {
    SLOTS_MIN = 64,
    STALE_MS = 5 * 60 * 1000,
    SWEEP_MS = 60 * 1000,
    WIDTH_MAX = 160,
    SCALE_MIN = -10,
    BUCKET_BYTES_MAX = 64 * 1024,
};

typedef struct numbers {
    uint64_t *v;
    uint32_t n;
    int32_t offset; /* of buckets of exponential histograms */
} numbers;

typedef struct stream {
    fer_hash128 key;
    int64_t seen_ms;
    uint64_t time_ns;
    double value, sum, zero_threshold;
    uint64_t count, zero_count;
    int32_t scale;
    bool has_sum;
    numbers bounds, counts, side[2];
} stream;

struct otlp_cumulator {
    fer_mutex mu;
    fer_clock *clock;
    fer_account *acct;
    stream **slot;
    size_t n, cap; /* cap a power of two, or 0 */
    int64_t swept_ms;
};

otlp_cumulator *otlp_cumulator_new(fer_clock *clock, fer_account *acct)
{
    otlp_cumulator *c = fer_calloc(1, sizeof *c);
    fer_mutex_init(&c->mu, "delta points", 0);
    c->clock = clock;
    c->acct = acct;
    return c;
}

/* ---- arrays ---- */

static void numbers_done(otlp_cumulator *c, numbers *x)
{
    fer_account_release(c->acct, x->n * sizeof *x->v);
    fer_free(x->v);
    *x = (numbers){0};
}

/* n zeros instead of what was there; false past the budget. */
static bool numbers_begin(otlp_cumulator *c, numbers *x, uint32_t n)
{
    numbers_done(c, x);
    if (!fer_account_charge(c->acct, n * sizeof *x->v))
        return false;
    x->v = fer_calloc(n == 0 ? 1 : n, sizeof *x->v);
    x->n = n;
    return true;
}

static bool numbers_take(otlp_cumulator *c, numbers *x, fer_str bytes)
{
    if (!numbers_begin(c, x, (uint32_t)(bytes.n / 8)))
        return false;
    if (bytes.n != 0) /* little-endian, as all machines we run on */
        memcpy(x->v, bytes.p, x->n * sizeof *x->v);
    return true;
}

static bool numbers_give(const numbers *x, fer_arena *a, otlp_run *ret)
{
    ret->s = fer_arena_dup(a, (fer_str){(const char *)x->v, x->n * sizeof *x->v});
    ret->copied = true;
    return ret->s.p != NULL;
}

/* ---- streams ---- */

static void stream_free(otlp_cumulator *c, stream *s)
{
    numbers_done(c, &s->bounds);
    numbers_done(c, &s->counts);
    numbers_done(c, &s->side[0]);
    numbers_done(c, &s->side[1]);
    fer_account_release(c->acct, sizeof *s);
    fer_free(s);
}

void otlp_cumulator_free(otlp_cumulator *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->cap; i++)
        if (c->slot[i] != NULL)
            stream_free(c, c->slot[i]);
    fer_account_release(c->acct, c->cap * sizeof *c->slot);
    fer_free(c->slot);
    fer_mutex_done(&c->mu);
    fer_free(c);
}

/* Where the stream is, or would be. */
static stream **place_of(stream **slot, size_t cap, fer_hash128 key)
{
    size_t i = key.lo & (cap - 1);
    while (slot[i] != NULL && (slot[i]->key.lo != key.lo || slot[i]->key.hi != key.hi))
        i = (i + 1) & (cap - 1);
    return &slot[i];
}

/* A table of another size, without the streams seen before `since_ms`; false past the budget. */
static bool rebuild(otlp_cumulator *c, size_t cap, int64_t since_ms)
{
    if (!fer_account_charge(c->acct, cap * sizeof *c->slot))
        return false;
    stream **slot = fer_calloc(cap, sizeof *slot);
    c->n = 0;
    for (size_t i = 0; i < c->cap; i++) {
        stream *s = c->slot[i];
        if (s == NULL)
            continue;
        if (s->seen_ms < since_ms) {
            stream_free(c, s);
            continue;
        }
        *place_of(slot, cap, s->key) = s;
        c->n++;
    }
    fer_account_release(c->acct, c->cap * sizeof *slot);
    fer_free(c->slot);
    c->slot = slot;
    c->cap = cap;
    return true;
}

/* The stream; *is_new when it was made. NULL past the budget. */
static stream *find(otlp_cumulator *c, fer_hash128 key, int64_t now_ms, bool *is_new)
{
    if (c->cap != 0 && now_ms - c->swept_ms > SWEEP_MS) {
        if (!rebuild(c, c->cap, now_ms - STALE_MS))
            return NULL;
        c->swept_ms = now_ms;
    }
    if (c->n * 4 >= c->cap * 3 && !rebuild(c, c->cap == 0 ? SLOTS_MIN : 2 * c->cap, INT64_MIN))
        return NULL;
    stream **at = place_of(c->slot, c->cap, key);
    *is_new = *at == NULL;
    if (*is_new) {
        if (!fer_account_charge(c->acct, sizeof **at))
            return NULL;
        *at = fer_calloc(1, sizeof **at);
        (*at)->key = key;
        c->n++;
    }
    (*at)->seen_ms = now_ms;
    return *at;
}

/* ---- classic histograms ---- */

static bool has_bounds(const stream *s, const otlp_point *p)
{
    return s->bounds.n == p->bounds.s.n / 8 && s->counts.n == p->counts.s.n / 8 &&
           (s->bounds.n == 0 || memcmp(s->bounds.v, p->bounds.s.p, p->bounds.s.n) == 0);
}

static fer_code add_classic(otlp_cumulator *c, stream *s, const otlp_point *p)
{
    if (!has_bounds(s, p)) {
        s->count = 0;
        s->sum = 0;
        bool room = numbers_take(c, &s->bounds, p->bounds.s);
        return room && numbers_take(c, &s->counts, p->counts.s) ? FER_OK : FER_LIMIT;
    }
    for (uint32_t i = 0; i < s->counts.n; i++) {
        uint64_t v;
        memcpy(&v, p->counts.s.p + 8 * (size_t)i, sizeof v);
        s->counts.v[i] += v;
    }
    return FER_OK;
}

/* ---- exponential histograms ---- */

/* Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }; v has room for as many as the message has bytes. */
static fer_code read_buckets(fer_str msg, uint64_t *v, uint32_t *ret_n, int32_t *ret_offset)
{
    uint32_t n = 0;
    *ret_offset = 0;
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_VARINT)
            *ret_offset = (int32_t)zigzag_get((uint32_t)f.u);
        else if (f.num == 2 && f.type == PB_VARINT)
            v[n++] = f.u;
        for (fer_rd in = rd_of(f.bytes); f.num == 2 && f.type == PB_BYTES && in.p != in.end;) {
            FER_TRY(rd_uvarint(&in, &v[n]));
            n++;
        }
    }
    *ret_n = n;
    return FER_OK;
}

/* The span of places that both have, at a scale lower by x and y steps. */
typedef struct extent {
    int64_t from, to;
} extent;

static extent extent_of(const numbers *a, int x, const numbers *b, int y)
{
    extent ret = {INT64_MAX, INT64_MIN};
    const numbers *of[] = {a, b};
    const int down[] = {x, y};
    for (int k = 0; k < 2; k++) {
        if (of[k]->n == 0)
            continue;
        int64_t from = of[k]->offset >> down[k];
        int64_t to = ((int64_t)of[k]->offset + of[k]->n - 1) >> down[k];
        ret.from = from < ret.from ? from : ret.from;
        ret.to = to > ret.to ? to : ret.to;
    }
    return ret;
}

static bool fits(extent e)
{
    return e.from > e.to || e.to - e.from < WIDTH_MAX;
}

static void add_side(numbers *to, int64_t from, const numbers *more, int down)
{
    for (uint32_t i = 0; i < more->n; i++)
        to->v[(((int64_t)more->offset + i) >> down) - from] += more->v[i];
}

/* The state's side and the point's together; false past the budget. */
static bool merge_side(otlp_cumulator *c, numbers *side, int x, const numbers *more, int y)
{
    extent e = extent_of(side, x, more, y);
    numbers both = {0};
    if (e.from > e.to)
        return true;
    if (!numbers_begin(c, &both, (uint32_t)(e.to - e.from + 1)))
        return false;
    both.offset = (int32_t)e.from;
    add_side(&both, e.from, side, x);
    add_side(&both, e.from, more, y);
    numbers_done(c, side);
    *side = both;
    return true;
}

/* A greater threshold of zero leaves the buckets below it where they are. */
static fer_code add_exponential(otlp_cumulator *c, stream *s, const otlp_point *p, bool is_new,
                                fer_arena *a)
{
    const fer_str messages[] = {p->positive, p->negative};
    numbers more[2] = {{0}, {0}};
    if (p->scale < SCALE_MIN || p->scale > 20)
        return FER_INVALID;
    for (int k = 0; k < 2; k++) {
        if (messages[k].n > BUCKET_BYTES_MAX)
            return FER_INVALID;
        more[k].v = fer_arena_alloc(a, messages[k].n * sizeof *more[k].v);
        if (more[k].v == NULL)
            return FER_LIMIT;
        FER_TRY(read_buckets(messages[k], more[k].v, &more[k].n, &more[k].offset));
    }
    int32_t have = is_new ? p->scale : s->scale;
    int32_t scale = have < p->scale ? have : p->scale;
    while (scale > SCALE_MIN &&
           !(fits(extent_of(&s->side[0], have - scale, &more[0], p->scale - scale)) &&
             fits(extent_of(&s->side[1], have - scale, &more[1], p->scale - scale))))
        scale--;
    for (int k = 0; k < 2; k++)
        if (!fits(extent_of(&s->side[k], have - scale, &more[k], p->scale - scale)))
            return FER_INVALID;
    for (int k = 0; k < 2; k++)
        if (!merge_side(c, &s->side[k], have - scale, &more[k], p->scale - scale))
            return FER_LIMIT;
    s->scale = scale;
    s->zero_count += p->zero_count;
    if (p->zero_threshold > s->zero_threshold)
        s->zero_threshold = p->zero_threshold;
    return FER_OK;
}

static bool give_side(const numbers *side, fer_arena *a, fer_str *ret)
{
    enum { HEAD = 2 * VARINT_MAX + 2 };
    *ret = STR("");
    if (side->n == 0)
        return true;
    uint8_t *bytes = fer_arena_alloc(a, (size_t)side->n * VARINT_MAX);
    uint8_t *msg = fer_arena_alloc(a, HEAD + (size_t)side->n * VARINT_MAX);
    if (bytes == NULL || msg == NULL)
        return false;
    size_t n = 0, at = 0;
    for (uint32_t i = 0; i < side->n; i++)
        n += uvarint_put(bytes + n, side->v[i]);
    msg[at++] = 1 << 3 | PB_VARINT;
    at += uvarint_put(msg + at, zigzag_put(side->offset) & UINT32_MAX);
    msg[at++] = 2 << 3 | PB_BYTES;
    at += uvarint_put(msg + at, n);
    memcpy(msg + at, bytes, n);
    *ret = (fer_str){(const char *)msg, at + n};
    return true;
}

/* ---- points ---- */

static fer_code add(otlp_cumulator *c, stream *s, otlp_kind kind, const otlp_point *p, bool is_new,
                    fer_arena *a)
{
    if (kind == OTLP_HISTOGRAM)
        FER_TRY(add_classic(c, s, p));
    else if (kind == OTLP_EXPONENTIAL_HISTOGRAM)
        FER_TRY(add_exponential(c, s, p, is_new, a));
    s->time_ns = p->time_ns;
    s->value += p->value;
    s->sum += p->sum;
    s->has_sum = p->has_sum;
    s->count += p->count;
    return FER_OK;
}

static bool give(const stream *s, otlp_kind kind, fer_arena *a, otlp_point *p)
{
    p->value = s->value;
    p->sum = s->sum;
    p->has_sum = s->has_sum;
    p->count = s->count;
    if (kind == OTLP_HISTOGRAM)
        return numbers_give(&s->counts, a, &p->counts);
    if (kind != OTLP_EXPONENTIAL_HISTOGRAM)
        return true;
    p->scale = s->scale;
    p->zero_count = s->zero_count;
    p->zero_threshold = s->zero_threshold;
    return give_side(&s->side[0], a, &p->positive) && give_side(&s->side[1], a, &p->negative);
}

fer_code otlp_cumulate(otlp_cumulator *c, fer_hash128 key, otlp_kind kind, fer_arena *a,
                       otlp_point *p)
{
    bool is_new;
    fer_mutex_lock(&c->mu);
    stream *s = find(c, key, c->clock->wall_ms(c->clock), &is_new);
    fer_code code = s == NULL ? FER_LIMIT : FER_OK;
    if (code == FER_OK && p->time_ns < s->time_ns)
        code = FER_INVALID;
    else if (code == FER_OK && (is_new || p->time_ns > s->time_ns))
        code = add(c, s, kind, p, is_new, a);
    if (code == FER_OK && !give(s, kind, a, p))
        code = FER_LIMIT;
    fer_mutex_unlock(&c->mu);
    return code;
}
