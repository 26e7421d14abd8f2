/* rw2.c - the scan of a Request.
 *
 *   Request    { repeated string symbols = 4; repeated TimeSeries timeseries = 5; }
 *   TimeSeries { repeated uint32 labels_refs = 1; repeated Sample samples = 2;
 *                repeated Histogram histograms = 3; repeated Exemplar exemplars = 4; Metadata metadata = 5;
 *                (int64 created_timestamp = 6 before the final 2.0) }
 *   Sample     { double value = 1; int64 timestamp = 2; int64 start_timestamp = 3; }
 *   Exemplar   { repeated uint32 labels_refs = 1; double value = 2; int64 timestamp = 3; }
 *   Metadata   { MetricType type = 1; uint32 help_ref = 3; uint32 unit_ref = 4; }
 *
 * Senders write all symbols in front of the series, so one walk does. Fields may come in any order, though: where a symbol
 * comes behind a series, the rest of them is gathered and the series are read again. References that come in several
 * pieces are gathered into one run.
 */
#include "server/remote/rw2.h"

#include <assert.h>
#include <inttypes.h>

#include "server/remote/rw_hist.h"
#include "tsdb/labels.h"

enum { SAMPLE_FIELDS = 3, REFS_MAX = 2 * LABELS_MAX, TEXT_BYTES_MAX = 4096 };

void rw2_symbols_init(rw2_symbols *s, fer_account *acct)
{
    *s = (rw2_symbols){.acct = acct};
}

size_t rw2_symbols_bytes(const rw2_symbols *s)
{
    return s->cap * sizeof *s->v + s->cap_hashes * sizeof *s->hashes;
}

void rw2_symbols_done(rw2_symbols *s)
{
    fer_account_release(s->acct, rw2_symbols_bytes(s));
    fer_free(s->v);
    fer_free(s->hashes);
    rw2_symbols_init(s, s->acct);
}

/* What the scan of one request needs. */
typedef struct scan {
    rw_request *q;
    rw2_symbols *symbols;
    rw_fingerprint_fn fp;
    const void *fp_arg;
} scan;

/* The next reference. protobuf's uint32: what is longer is cut. */
static inline fer_code next_ref(fer_rd *r, uint32_t *ret)
{
    if (r->p != r->end && *r->p < 0x80) {
        *ret = *r->p++;
        return FER_OK;
    }
    uint64_t v;
    FER_TRY(rd_uvarint(r, &v));
    *ret = (uint32_t)v;
    return FER_OK;
}

/* Each ends with a byte below 0x80. */
static size_t count_refs(fer_str refs)
{
    size_t n = 0;
    for (size_t i = 0; i < refs.n; i++)
        n += (unsigned char)refs.p[i] < 0x80;
    return n;
}

/* Whether they are varints to the end. */
static bool are_refs(fer_str refs)
{
    fer_rd r = rd_of(refs);
    uint32_t ref;
    while (r.p != r.end)
        if (next_ref(&r, &ref) != FER_OK)
            return false;
    return true;
}

/* ---- series that cannot be taken ---- */

/* Leaves the series out; its samples are the rows behind `first`. */
static fer_code refuse_series(scan *s, rw_mark first, fer_str text)
{
    rw_request *q = s->q;
    q->n_bad_series++;
    q->n_bad_samples += q->n_rows - first.rows + q->n_hists - first.hists;
    q->n_rows = first.rows;
    q->n_hists = first.hists;
    q->n_exemplar_rows = first.exemplars;
    if (q->n_bad_series <= RW_BAD_TEXTS_MAX) {
        fer_buf_puts(&q->bad, text);
        fer_buf_putc(&q->bad, '\n');
    }
    return FER_OK;
}

/* "what for series {labels}"; the references are good. */
static fer_code refuse_named(scan *s, rw_mark first, const char *what, fer_str refs)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf text;
    label *l = NULL;
    size_t n = 0;
    fer_buf_init(&text, TEXT_BYTES_MAX, NULL);
    fer_buf_printf(&text, "%s for series ", what);
    if (rw2_labels(s->symbols, refs, a, &l, &n, NULL) == FER_OK)
        labels_print(&text, (labels){l, n});
    fer_code c = refuse_series(s, first, fer_buf_str(&text));
    fer_buf_done(&text);
    fer_arena_free(a);
    return c;
}

/* "[1 2 3]", the first of them. */
static void print_refs(fer_buf *out, fer_str refs)
{
    enum { SHOWN = 32 };
    fer_rd r = rd_of(refs);
    uint32_t ref;
    fer_buf_putc(out, '[');
    for (int i = 0; i < SHOWN && next_ref(&r, &ref) == FER_OK; i++)
        fer_buf_printf(out, "%s%" PRIu32, i == 0 ? "" : " ", ref);
    fer_buf_puts(out, r.p != r.end ? STR(" ...]") : STR("]"));
}

static void print_outside(fer_buf *out, const rw2_symbols *y, fer_str refs)
{
    fer_rd r = rd_of(refs);
    uint32_t name, value;
    while (next_ref(&r, &name) == FER_OK && next_ref(&r, &value) == FER_OK)
        if (name >= y->n || value >= y->n) {
            fer_buf_printf(out,
                           "labelRefs %" PRIu32 " (name) = %" PRIu32
                           " (value) outside of symbols table (size %zu)",
                           name, value, y->n);
            return;
        }
}

static fer_code refuse_refs(scan *s, rw_mark first, fer_str refs)
{
    if (!are_refs(refs))
        return FER_CORRUPT;
    size_t n = count_refs(refs);
    fer_buf text;
    fer_buf_init(&text, TEXT_BYTES_MAX, NULL);
    fer_buf_puts(&text, STR("parsing labels for series "));
    print_refs(&text, refs);
    fer_buf_puts(&text, STR(": "));
    if (n > REFS_MAX)
        fer_buf_printf(&text, "more than %d labels", LABELS_MAX);
    else if (n % 2 != 0)
        fer_buf_printf(&text, "invalid labelRefs length %zu", n);
    else
        print_outside(&text, s->symbols, refs);
    fer_code c = refuse_series(s, first, fer_buf_str(&text));
    fer_buf_done(&text);
    return c;
}

/* ---- series ---- */

/* The references of a series: packed on the wire, usually in one piece. */
static fer_code note_refs(rw_request *q, const pb_field *f, const uint8_t *end, fer_str *refs)
{
    fer_str piece = f->bytes;
    if (f->type == PB_VARINT) {
        const uint8_t *start =
            f->start + 1; /* behind the tag, which may be longer than it need be */
        while (start[-1] >= 0x80)
            start++;
        piece = (fer_str){(const char *)start, (size_t)(end - start)};
    } else if (f->type != PB_BYTES) {
        return FER_CORRUPT;
    }
    if (piece.n != 0 &&
        (unsigned char)piece.p[piece.n - 1] >= 0x80) /* the next would complete it */
        return FER_CORRUPT;
    if (refs->n != 0)
        return rw_gather(q, refs, piece);
    *refs = piece;
    return FER_OK;
}

/* Metadata as it was found: the last message of the series counts, field by field. */
typedef struct metadata_refs {
    uint32_t type, help, unit;
} metadata_refs;

static fer_code scan_metadata(fer_str msg, metadata_refs *ret)
{
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num != 1 && f.num != 3 && f.num != 4)
            continue;
        if (f.type != PB_VARINT)
            return FER_CORRUPT;
        *(f.num == 1 ? &ret->type : f.num == 3 ? &ret->help : &ret->unit) = (uint32_t)f.u;
    }
}

typedef struct series {
    int64_t created; /* as senders before the final 2.0 tell it: of all samples */
    fer_str refs;
    metadata_refs metadata;
    size_t n_exemplars;
} series;

/* References of one field, packed or one alone: their number, and where l is not NULL the texts they mean, names and
 * values in turn. *good is false when one points nowhere. */
static fer_code take_refs(const rw2_symbols *y, const pb_field *f, fer_str *texts, size_t *n,
                          bool *good)
{
    fer_rd r = rd_of(f->bytes);
    uint32_t ref = (uint32_t)f->u;
    bool is_alone = f->type == PB_VARINT;
    if (!is_alone && f->type != PB_BYTES)
        return FER_CORRUPT;
    while (is_alone || r.p != r.end) {
        if (!is_alone)
            FER_TRY(next_ref(&r, &ref));
        *good = *good && ref < y->n;
        if (texts != NULL && *good)
            texts[*n] = y->v[ref].text;
        ++*n;
        if (is_alone)
            break;
    }
    return FER_OK;
}

/* As take_refs() over all of the message, with its value and time. */
static fer_code scan_exemplar_fields(const rw2_symbols *y, fer_str msg, fer_str *texts, size_t *n,
                                     bool *good, int64_t *t, uint64_t *v)
{
    fer_rd r = rd_of(msg);
    *n = 0;
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == 1)
            FER_TRY(take_refs(y, &f, texts, n, good));
        else if (f.num == 2 && f.type == PB_FIXED64)
            *v = f.u;
        else if (f.num == 3 && f.type == PB_VARINT)
            *t = (int64_t)f.u;
        else if (f.num <= 3)
            return FER_CORRUPT;
    }
}

/* One whose references name no labels is left out. */
static fer_code scan_exemplar(scan *s, fer_str msg)
{
    size_t n;
    bool good = true;
    int64_t t = 0;
    uint64_t v = 0;
    FER_TRY(scan_exemplar_fields(s->symbols, msg, NULL, &n, &good, &t, &v));
    if (!good || n % 2 != 0)
        return FER_OK;
    fer_str *texts = ARENA_ARRAY(rw_arena(s->q), fer_str, n);
    label *l = ARENA_ARRAY(rw_arena(s->q), label, n / 2);
    if (texts == NULL || l == NULL)
        return FER_LIMIT;
    FER_TRY(scan_exemplar_fields(s->symbols, msg, texts, &n, &good, &t, &v));
    for (size_t i = 0; i < n / 2; i++)
        l[i] = (label){texts[2 * i], texts[2 * i + 1]};
    return rw_add_exemplar(s->q, l, n / 2, t, f64_of_bits(v));
}

static fer_code scan_field(scan *s, const pb_field *f, const uint8_t *end, series *ret)
{
    rw_request *q = s->q;
    if (f->num == 1)
        return note_refs(q, f, end, &ret->refs);
    if (f->num == 6 && f->type == PB_VARINT)
        ret->created = (int64_t)f->u;
    if (f->num > 5)
        return FER_OK;
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    switch (f->num) {
    case 2:
        return rw_add_sample(q, f->bytes, SAMPLE_FIELDS);
    case 3:
        return rw_add_histogram(q, f->bytes, RW2_HISTOGRAM_FIELDS);
    case 4:
        ret->n_exemplars++;
        return scan_exemplar(s, f->bytes);
    default:
        return scan_metadata(f->bytes, &ret->metadata);
    }
}

/* What a label adds to the fingerprint. As a name and as a value a symbol counts differently, in each half. */
static inline void add_label(fer_hash128 *sum, const fer_hash128 *name, const fer_hash128 *value)
{
    sum->lo += name->lo * value->hi;
    sum->hi += name->hi * (value->lo + 2 * value->hi);
}

/* A reference of one or two bytes, as nearly all are, where two can be read; NULL: it is longer. Returns what is behind it. */
static inline const uint8_t *short_ref(const uint8_t *p, size_t *ret)
{
    size_t first = p[0], second = p[1];
    if (first < 0x80) {
        *ret = first;
        return p + 1;
    }
    *ret = (first & 0x7f) | second << 7;
    return second < 0x80 ? p + 2 : NULL;
}

/* Any two references; false: they are cut short, or there is one only. */
static bool long_refs(fer_rd *r, size_t *name, size_t *value)
{
    uint32_t ref[2];
    if (next_ref(r, &ref[0]) != FER_OK || next_ref(r, &ref[1]) != FER_OK)
        return false;
    *name = ref[0];
    *value = ref[1];
    return true;
}

/* The fingerprint of the references; false when they cannot name a series. */
static inline bool resolve(const rw2_symbols *s, size_t limit, fer_str refs, fer_hash128 *ret)
{
    const fer_hash128 *hashes = s->hashes;
    fer_hash128 sum = {1, 1}; /* no labels: not zeros, which the head takes for none */
    const fer_rd all = rd_of(refs);
    for (const uint8_t *p = all.p, *next = NULL; p != all.end; p = next) {
        enum { SHORT_BYTES = 4 };
        size_t name, value;
        if (all.end - p < SHORT_BYTES || (next = short_ref(p, &name)) == NULL ||
            (next = short_ref(next, &value)) == NULL) {
            fer_rd r = {p, all.end};
            if (!long_refs(&r, &name, &value))
                return false;
            next = r.p;
        }
        if (name >= limit || value >= limit)
            return false;
        add_label(&sum, &hashes[name], &hashes[value]);
    }
    *ret = sum;
    return refs.n <= REFS_MAX || count_refs(refs) <= REFS_MAX;
}

/* ---- metadata ---- */

/* The name of a series, as a symbol; NULL when it has none. */
static rw2_symbol *name_of(rw2_symbols *s, fer_str refs)
{
    fer_rd r = rd_of(refs);
    uint32_t name, value;
    while (next_ref(&r, &name) == FER_OK && next_ref(&r, &value) == FER_OK)
        if (str_eq(s->v[name].text, STR("__name__")))
            return &s->v[value];
    return NULL;
}

/* Passes on what a series tells about its family, unless the same was told before. */
static fer_code note_metadata(scan *s, const series *of)
{
    const metadata_refs *m = &of->metadata;
    rw2_symbols *y = s->symbols;
    if (m->type == 0 && m->help == 0 && m->unit == 0)
        return FER_OK;
    rw2_symbol *name = name_of(y, of->refs);
    if (name == NULL)
        return FER_OK;
    if (name->type == m->type && name->help == m->help && name->unit == m->unit)
        return FER_OK;
    name->type = m->type;
    name->help = m->help;
    name->unit = m->unit;
    metadata_family f = {.family = family_of(name->text, m->type),
                         .type = m->type,
                         .help = m->help == 0 ? STR("") : y->v[m->help].text,
                         .unit = m->unit == 0 ? STR("") : y->v[m->unit].text};
    return rw_add_metadata(s->q, &f);
}

/* ---- where series began ---- */

/* The field of this number in a Sample or Histogram. */
static int64_t start_in(fer_str msg, uint32_t num)
{
    pb_field f = {0};
    int64_t ret = 0;
    for (fer_rd r = rd_of(msg); pb_next(&r, &f) == FER_OK;)
        if (f.num == num && f.type == PB_VARINT)
            ret = (int64_t)f.u;
    return ret;
}

/* Of the rows of a series, which lie behind the mark in the order of its message. What was told for all samples is that of the
 * first and of each histogram. */
static fer_code note_starts(rw_request *q, fer_str msg, rw_mark first, int64_t created)
{
    enum { SAMPLES = 2, HISTOGRAMS = 3, START_OF_SAMPLE = 3, START_OF_HISTOGRAM = 17 };
    size_t row = first.rows, hist = first.hists;
    pb_field f = {0};
    for (fer_rd r = rd_of(msg); pb_next(&r, &f) == FER_OK;) {
        if (f.num == SAMPLES) {
            int64_t own = start_in(f.bytes, START_OF_SAMPLE);
            int64_t all = row == first.rows ? created : 0;
            FER_TRY(rw_add_start(q, own != 0 ? own : all, row++, false));
        } else if (f.num == HISTOGRAMS) {
            int64_t own = start_in(f.bytes, START_OF_HISTOGRAM);
            FER_TRY(rw_add_start(q, own != 0 ? own : created, hist++, true));
        }
    }
    return FER_OK;
}

/* ---- type and unit as labels ---- */

/* Behind the symbols of the request; of types as labels have them, by MetricType. */
static const char *const own_symbols[] = {"__type__", "__unit__",  "counter",
                                          "gauge",    "histogram", "gaugehistogram",
                                          "summary",  "info",      "stateset"};
enum { OWN_TYPE, OWN_UNIT, OWN_COUNTER, OWN_SYMBOLS = sizeof own_symbols / sizeof *own_symbols };
enum { TYPE_COUNTER = 1, TYPE_STATESET = 7, VARINT_BYTES_MAX = 5 };

static char *put_ref(char *at, size_t ref)
{
    for (; ref >= 0x80; ref >>= 7)
        *at++ = (char)(ref | 0x80);
    *at++ = (char)ref;
    return at;
}

/* What the metadata says takes the place of such labels that the sender gave. */
static fer_code add_type_and_unit(scan *s, series *of, fer_hash128 *ret)
{
    const rw2_symbols *y = s->symbols;
    bool typed = of->metadata.type >= TYPE_COUNTER && of->metadata.type <= TYPE_STATESET;
    bool has_unit = of->metadata.unit != 0 && y->v[of->metadata.unit].text.n != 0;
    if (!typed && !has_unit)
        return FER_OK;
    char *refs = fer_arena_alloc(rw_arena(s->q), of->refs.n + (size_t)4 * VARINT_BYTES_MAX);
    if (refs == NULL)
        return FER_LIMIT;
    char *at = refs;
    fer_rd r = rd_of(of->refs);
    uint32_t name, value;
    while (next_ref(&r, &name) == FER_OK && next_ref(&r, &value) == FER_OK) {
        if (str_eq(y->v[name].text, STR("__type__")) || str_eq(y->v[name].text, STR("__unit__")))
            continue;
        at = put_ref(put_ref(at, name), value);
    }
    if (typed)
        at = put_ref(put_ref(at, y->n + OWN_TYPE), y->n + OWN_COUNTER + of->metadata.type - 1);
    if (has_unit)
        at = put_ref(put_ref(at, y->n + OWN_UNIT), of->metadata.unit);
    of->refs = (fer_str){refs, (size_t)(at - refs)};
    bool good = resolve(y, y->n + y->own, of->refs, ret);
    assert(good);
    (void)good;
    return FER_OK;
}

/* ---- the message ---- */

static bool is_inside(const rw2_symbols *y, const metadata_refs *m)
{
    return (m->help < y->n && m->unit < y->n) || (m->help == 0 && m->unit == 0);
}

/* Takes a series of references in one piece, one sample and perhaps metadata, as nearly all are sent. *taken is false, and nothing
 * has changed, where it is another, or one to be refused. */
static inline fer_code take_usual(scan *s, fer_str msg, bool *taken)
{
    enum { TAG_REFS = 0x0a, TAG_METADATA = 0x2a };
    rw_request *q = s->q;
    fer_rd r = rd_of(msg);
    fer_str metadata = {0};
    series found = {0};
    *taken = false;
    FER_TRY(rw_need_row(q));
    tsdb_row *row = &q->rows[q->n_rows];
    if (q->wants_types || !pb_take_short(&r, TAG_REFS, &found.refs) ||
        rd_left(&r) < RW_SAMPLE_BYTES || !rw_read_sample(r.p, &row->t, &row->v))
        return FER_OK;
    r.p += RW_SAMPLE_BYTES;
    if (r.p != r.end && (!pb_take_short(&r, TAG_METADATA, &metadata) || r.p != r.end))
        return FER_OK;
    if (metadata.n != 0 && (scan_metadata(metadata, &found.metadata) != FER_OK ||
                            !is_inside(s->symbols, &found.metadata)))
        return FER_OK;
    if (!resolve(s->symbols, s->symbols->n, found.refs, &row->fp))
        return FER_OK;
    row->raw = found.refs;
    q->n_rows++;
    q->n_series++;
    *taken = true;
    return metadata.n == 0 ? FER_OK : note_metadata(s, &found);
}

static fer_code take_any(scan *s, fer_str msg)
{
    rw_request *q = s->q;
    fer_rd r = rd_of(msg);
    series found = {0};
    rw_mark first = rw_mark_now(q);
    while (r.p != r.end) {
        pb_field f = {0};
        FER_TRY(pb_next(&r, &f));
        FER_TRY(scan_field(s, &f, r.p, &found));
    }
    q->n_series++;
    q->n_exemplars += found.n_exemplars;

    fer_hash128 fp;
    if (!resolve(s->symbols, s->symbols->n, found.refs, &fp))
        return refuse_refs(s, first, found.refs);
    if (!rw_has_rows(q, first) && found.n_exemplars == 0)
        return refuse_named(s, first, "TimeSeries must contain at least one sample or histogram",
                            found.refs);
    if (!is_inside(s->symbols, &found.metadata))
        return refuse_named(s, first, "metadata reference outside of symbols table", found.refs);
    if (q->wants_types && count_refs(found.refs) > REFS_MAX - 4)
        return refuse_named(s, first, "too many labels for those of type and unit", found.refs);
    if (q->wants_types)
        FER_TRY(add_type_and_unit(s, &found, &fp));
    if (rw_has_rows(q, first) || rw_has_exemplars(q, first))
        rw_name_rows(q, first, found.refs, fp);
    if (q->wants_starts)
        FER_TRY(note_starts(q, msg, first, found.created));
    return note_metadata(s, &found);
}

static fer_code scan_series(scan *s, fer_str msg)
{
    bool taken;
    FER_TRY(take_usual(s, msg, &taken));
    return taken ? FER_OK : take_any(s, msg);
}

static fer_code add_symbol(scan *s, fer_str text)
{
    rw2_symbols *y = s->symbols;
    if (y->n == RW2_SYMBOLS_MAX)
        return FER_INVALID;
    if (y->n == y->cap)
        FER_TRY(rw_grow(y->acct, (void **)&y->v, &y->cap, sizeof *y->v));
    if (y->n == y->cap_hashes)
        FER_TRY(rw_grow(y->acct, (void **)&y->hashes, &y->cap_hashes, sizeof *y->hashes));
    fer_hash128 hash = s->fp(s->fp_arg, text);
    y->v[y->n] = (rw2_symbol){.text = text};
    y->hashes[y->n++] = (fer_hash128){hash.lo | 1, hash.hi | 1};
    return FER_OK;
}

static fer_code add_own_symbols(scan *s)
{
    if (!s->q->wants_types)
        return FER_OK;
    for (size_t i = 0; i < OWN_SYMBOLS; i++)
        FER_TRY(add_symbol(s, str_of(own_symbols[i])));
    s->symbols->n -= OWN_SYMBOLS;
    s->symbols->own = OWN_SYMBOLS;
    return FER_OK;
}

/* Walks over the fields of the top level, up to the first of number `until` (0: to the end), and passes the bytes of those of number
 * `num`, which is below 16, to fn. *at is the field that failed. */
static inline fer_code walk(scan *s, fer_rd *r, uint32_t num, uint32_t until,
                            fer_code (*fn)(scan *s, fer_str bytes), const uint8_t **at)
{
    const uint8_t tag = (uint8_t)(num << 3 | PB_BYTES);
    for (;;) {
        pb_field f = {.num = num, .type = PB_BYTES, .start = r->p};
        fer_code c = pb_take_short(r, tag, &f.bytes) ? FER_OK : pb_next(r, &f);
        *at = f.start;
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num == until) {
            r->p = f.start;
            return FER_OK;
        }
        if (f.num != num)
            continue;
        if (f.type != PB_BYTES)
            return FER_CORRUPT;
        FER_TRY(fn(s, f.bytes));
    }
}

enum { SYMBOLS = 4, TIMESERIES = 5 };

/* Symbols stand at `late`, behind series that begin at `first`: all series are read once more. */
static fer_code scan_again(scan *s, fer_rd first, fer_rd late, const uint8_t **at)
{
    rw2_symbols *y = s->symbols;
    FER_TRY(walk(s, &late, SYMBOLS, 0, add_symbol, at));
    FER_TRY(add_own_symbols(s));
    for (size_t i = 0; i < y->n; i++)
        y->v[i].type = y->v[i].help = y->v[i].unit = 0;
    rw_request_begin(s->q, s->q->msg_bytes);
    return walk(s, &first, TIMESERIES, 0, scan_series, at);
}

static fer_code scan_message(scan *s, fer_str msg, const uint8_t **at)
{
    fer_rd r = rd_of(msg);
    rw_request_begin(s->q, msg.n);
    s->symbols->n = s->symbols->own = 0;
    FER_TRY(walk(s, &r, SYMBOLS, TIMESERIES, add_symbol, at));
    FER_TRY(add_own_symbols(s));
    const fer_rd first = r;
    FER_TRY(walk(s, &r, TIMESERIES, SYMBOLS, scan_series, at));
    return r.p == r.end ? FER_OK : scan_again(s, first, r, at);
}

fer_code rw2_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg, rw2_symbols *symbols,
                  rw_request *ret, fer_err *err)
{
    scan s = {.q = ret, .symbols = symbols, .fp = fp, .fp_arg = fp_arg};
    const uint8_t *at = NULL;
    fer_code c = scan_message(&s, msg, &at);
    if (c == FER_OK)
        return FER_OK;
    if (c == FER_LIMIT)
        return fer_fail_budget(err, "remote write");
    if (c == FER_INVALID)
        return fer_fail(err, FER_INVALID, "more than %d symbols", RW2_SYMBOLS_MAX);
    return fer_fail(err, FER_INVALID,
                    "proto: malformed io.prometheus.write.v2.Request in the field at byte %td",
                    at - (const uint8_t *)msg.p);
}

fer_code rw2_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err)
{
    const rw2_symbols *s = arg;
    fer_rd r = rd_of(raw);
    size_t n = 0;
    label *l = ARENA_ARRAY(scratch, label, raw.n / 2 < LABELS_MAX ? raw.n / 2 + 1 : LABELS_MAX);
    if (l == NULL)
        return fer_fail_budget(err, "labels");
    for (; r.p != r.end; n++) {
        uint32_t name = 0, value = 0;
        fer_code c = next_ref(&r, &name);
        if (c == FER_OK)
            c = next_ref(&r, &value);
        if (c != FER_OK || n == LABELS_MAX || name >= s->n + s->own || value >= s->n + s->own)
            return fer_fail(err, FER_INVALID, "proto: malformed labels_refs");
        l[n] = (label){s->v[name].text, s->v[value].text};
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}
