/* stage.c - one request's rows, in order, against the newest staged sample of their series.
 *
 * Rules in Prometheus' order (FORMAT.md 13, BEHAVIOUR.md): too far in the future; older than the
 * newest sample of the head, as of the request's begin, less half a chunk range; then, for a known
 * series, equal to its newest (nothing to store), another value at that time, older than that. With a window for
 * samples out of order, what is older in one of the two ways is kept apart (ooo_series.h) unless it is older than the
 * newest sample of the head less the window.
 * A series is created only by a sample that is stored. Histograms are judged likewise; of a series' newest one a mark is
 * kept that stands for it (hist_check.h).
 *
 * A sender's rows come in the order in which their series once came, so the series behind the one
 * just found is tried first; the table is asked when the guess fails.
 */
#include "tsdb/wal/stage.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "tsdb/hist_check.h"
#include "tsdb/samples.h"
#include "tsdb/wal/record_hist.h"
#include "tsdb/wal/stage_metadata.h"

enum {
    PREFETCH_TABLE = 8,
    /* A large request becomes several records, so that damage to one costs less. */
    RECORD_BYTES_FULL = 128 * 1024,
    RECORD_SAMPLES_FULL = 8192
};
#define FUTURE_MS (INT64_C(10) * 60 * 1000)

typedef struct stager {
    head *h;
    batch *b;
    const stage_request *req;
    tsdb_report *report;
    const fer_str *raw; /* of the row that is judged; NULL: none is */
    record_samples rec;
    record_base hist_base;
    record_type hist_type; /* of the record begun */
    record_base exemplar_base;
    bool series_begun, samples_begun, hists_begun, exemplars_begun;
    record_samples ooo_rec;
    bool ooo_begun;
    int64_t ooo_floor; /* times below it are too old; INT64_MAX without a window */
    int64_t too_far;   /* times above it are */
    int64_t floor;     /* times below it are out of bounds */
    int64_t max_t;     /* newest accepted */
    uint32_t guess;    /* slot to try first */
    size_t n_started;  /* starts that were tried */
    bool guessed;      /* it was right the last time */
} stager;

static const char *reason(tsdb_reject why)
{
    switch (why) {
    case REJECT_OUT_OF_ORDER:
        return "out of order sample";
    case REJECT_OUT_OF_BOUNDS:
        return "out of bounds";
    case REJECT_TOO_FAR:
        return "out of bounds: timestamp is too far in the future";
    case REJECT_TOO_OLD:
        return "too old sample";
    case REJECT_DUPLICATE:
        return "duplicate sample for timestamp";
    default:
        return "rejected";
    }
}

static uint64_t *counter(head *h, tsdb_reject why)
{
    switch (why) {
    case REJECT_OUT_OF_ORDER:
        return &h->count.out_of_order;
    case REJECT_TOO_OLD:
        return &h->count.too_old;
    case REJECT_OUT_OF_BOUNDS:
        return &h->count.out_of_bounds;
    case REJECT_TOO_FAR:
        return &h->count.too_far;
    case REJECT_DUPLICATE:
        return &h->count.duplicates;
    case REJECT_LIMIT:
        return &h->count.refused_series;
    default:
        return NULL;
    }
}

/* ---- telling about bad rows ---- */

/* Counts the row; true when its text is wanted. */
static bool note_reject(stager *s, tsdb_reject why)
{
    s->report->rejected[why]++;
    s->report->n_rejected++;
    uint64_t *n = counter(s->h, why);
    if (n != NULL)
        ++*n;
    if (s->req->rows.on_reject != NULL && s->raw != NULL)
        s->req->rows.on_reject(s->req->rows.on_reject_arg, *s->raw);
    return s->report->n_texts < TSDB_REPORT_TEXTS;
}

static void add_text(stager *s, fer_str what, labels ls)
{
    fer_buf text;
    fer_buf_init(&text, 1 << 20, NULL);
    fer_buf_puts(&text, what);
    fer_buf_puts(&text, STR(" for series "));
    labels_print(&text, ls);
    fer_str copy = fer_arena_dup(s->req->scratch, fer_buf_str(&text));
    fer_buf_done(&text);
    if (copy.p != NULL)
        s->report->texts[s->report->n_texts++] = copy;
}

/* A bad sample of a series the head knows. */
static void reject_known(stager *s, tsdb_reject why, uint32_t slot, fer_str text)
{
    if (!note_reject(s, why))
        return;
    label *l = ARENA_ARRAY(s->req->scratch, label, LABELS_MAX);
    if (l != NULL)
        add_text(s, text, head_labels(s->h, slot, l));
}

static void reject_duplicate(stager *s, uint32_t slot, const tsdb_row *row, double existing)
{
    static const char is_hist[] = "is a histogram";
    char was[NUM_TEXT_MAX], is[NUM_TEXT_MAX], text[2 * NUM_TEXT_MAX + 128];
    size_t was_n = sizeof is_hist - 1, is_n = num_format_g(is, row->v);
    if (hist_is_mark(f64_bits(existing)))
        memcpy(was, is_hist, was_n);
    else
        was_n = num_format_g(was, existing);
    int n = snprintf(text, sizeof text,
                     "%s %" PRId64 "; overrides not allowed: existing %.*s, new value %.*s",
                     reason(REJECT_DUPLICATE), row->t, (int)was_n, was, (int)is_n, is);
    reject_known(s, REJECT_DUPLICATE, slot, (fer_str){text, (size_t)n});
}

/* A row whose labels were read just now, or could not be. */
static void reject_labels(stager *s, tsdb_reject why, fer_str text, labels ls)
{
    if (note_reject(s, why))
        add_text(s, text, ls);
}

/* ---- series ---- */

/* Reads a row's labels; on failure the row is reported and false returned. */
static bool parse_labels(stager *s, fer_str raw, labels *ret)
{
    fer_err err;
    label *l = NULL;
    size_t n = 0;
    fer_code code = s->req->parse(s->req->parse_arg, raw, s->req->scratch, &l, &n, &err);
    if (code == FER_OK)
        code = labels_canonical(l, n, true, ret, &err);
    if (code == FER_OK)
        return true;
    reject_labels(s, REJECT_LABELS, str_of(err.msg), (labels){l, n});
    return false;
}

static void reject_for_limit(stager *s, labels ls)
{
    char text[160];
    int n = snprintf(text, sizeof text,
                     "new series refused: the head's memory limit of %" PRId64
                     " bytes is reached (in use %" PRId64 ")",
                     s->h->acct.limit_bytes, fer_account_used(&s->h->acct));
    if (s->h->acct.limit_bytes == 0)
        n = snprintf(text, sizeof text,
                     "new series refused: the server's memory limit is reached (head: %" PRId64
                     " bytes)",
                     fer_account_used(&s->h->acct));
    reject_labels(s, REJECT_LIMIT, (fer_str){text, (size_t)n}, ls);
}

static uint32_t create_series(stager *s, head_key *key)
{
    if (!head_has_room(s->h, key->ls)) {
        reject_for_limit(s, key->ls);
        return SLOT_NONE;
    }
    fer_err err;
    uint32_t slot;
    if (head_create(s->h, key, 0, &slot, &err) != FER_OK) {
        reject_labels(s, REJECT_LIMIT, str_of(err.msg), key->ls);
        return SLOT_NONE;
    }
    if (!s->series_begun)
        record_series_begin(&s->b->series.bytes);
    s->series_begun = true;
    record_series_add(&s->b->series.bytes, head_ref(s->h, slot), key->ls);
    if (batch_end_record(&s->b->series, RECORD_BYTES_FULL))
        s->series_begun = false;
    s->report->new_series++;
    return slot;
}

/* The series of a fingerprint the head does not know; SLOT_NONE when the row was reported. */
static uint32_t meet_series(stager *s, fer_hash128 fp, fer_str raw)
{
    labels ls;
    if (!parse_labels(s, raw, &ls))
        return SLOT_NONE;
    fer_err err;
    head_key key;
    uint32_t slot;
    if (head_find_labels(s->h, ls, &key, &slot, &err) != FER_OK) {
        reject_labels(s, REJECT_LABELS, str_of(err.msg), ls);
        return SLOT_NONE;
    }
    if (slot == SLOT_NONE)
        slot = create_series(s, &key);
    if (slot != SLOT_NONE)
        head_remember_fp(s->h, slot, fp);
    return slot;
}

static uint32_t find_series(stager *s, fer_hash128 fp)
{
    s->guessed = s->guess < s->h->n_slots && fp_eq(head_stage_rec(s->h, s->guess)->fp, fp);
    return s->guessed ? s->guess : head_find_fp(s->h, fp);
}

/* ---- rows ---- */

/* A row that is bad whatever its series holds. */
static void reject_row(stager *s, fer_hash128 fp, fer_str raw, tsdb_reject why, fer_str text)
{
    uint32_t slot = find_series(s, fp);
    if (slot != SLOT_NONE) {
        s->guess = slot + 1;
        reject_known(s, why, slot, text);
        return;
    }
    labels ls;
    if (parse_labels(s, raw, &ls))
        reject_labels(s, why, text, ls);
}

/* The oldest time that may follow a sample at t. */
static int64_t floor_after(const head *h, int64_t t)
{
    int64_t floor;
    if (__builtin_sub_overflow(t, h->chunk_range_ms / 2, &floor))
        floor = INT64_MIN;
    return floor > h->min_valid_time ? floor : h->min_valid_time;
}

/* The oldest time that may be out of order. */
static int64_t ooo_floor_of(const head *h)
{
    int64_t floor;
    if (h->ooo_window_ms == 0 || h->staged_max == INT64_MIN)
        return INT64_MAX;
    if (__builtin_sub_overflow(h->staged_max, h->ooo_window_ms, &floor))
        floor = INT64_MIN + 1; /* SAMPLE_T_NONE is no time */
    return floor;
}

/* The first sample sets the bounds of an empty head. */
static void note_first(stager *s, int64_t t)
{
    if (s->h->staged_max != INT64_MIN)
        return;
    s->h->staged_max = t;
    s->floor = floor_after(s->h, t);
    s->ooo_floor = ooo_floor_of(s->h);
}

static void take_hist(stager *s, uint32_t slot, stage_rec *rec, int64_t t, const hist_sample *h)
{
    rec->t = t;
    rec->v = hist_mark(h);
    note_first(s, t);
    fer_buf *out = &s->b->hists.bytes;
    record_type type = record_type_of_histogram(h);
    if (s->hists_begun && type != s->hist_type) {
        batch_end_record(&s->b->hists, 0);
        s->hists_begun = false;
    }
    if (!s->hists_begun) {
        s->hist_type = type;
        s->hist_base = (record_base){head_ref(s->h, slot), t};
        record_based_begin(out, type, s->hist_base);
    }
    record_histogram_add(out, s->hist_base, head_ref(s->h, slot), t, h);
    s->hists_begun = !batch_end_record(&s->b->hists, RECORD_BYTES_FULL);
    batch_add_hist(s->b, slot, t, h);
    if (t > s->max_t)
        s->max_t = t;
    s->report->accepted++;
}

/* The stale marker behind a histogram. */
static hist_sample stale_like(const stage_rec *rec, double stale)
{
    return (hist_sample){.is_float = hist_is_float_mark(f64_bits(rec->v)), .sum = stale};
}

/* Whether the row is the stale marker that the series' newest histogram is. */
static bool is_same_stale(const tsdb_row *row, const stage_rec *rec)
{
    if (!sample_is_stale(row->v) || !hist_is_mark(f64_bits(rec->v)))
        return false;
    const hist_sample stale = stale_like(rec, row->v);
    return f64_bits(hist_mark(&stale)) == f64_bits(rec->v);
}

/* A float behind a histogram. A stale marker is one of histograms, too. False when it is a sample like others. */
static bool take_behind_hist(stager *s, uint32_t slot, stage_rec *rec, const tsdb_row *row)
{
    if (sample_is_stale(row->v)) {
        const hist_sample stale = stale_like(rec, row->v);
        take_hist(s, slot, rec, row->t, &stale);
        return true;
    }
    batch_end_record(&s->b->samples, 0);
    batch_end_record(&s->b->hists, 0);
    s->samples_begun = s->hists_begun = false;
    batch_put_hists_first(s->b);
    return false;
}

static void take_sample(stager *s, uint32_t slot, stage_rec *rec, const tsdb_row *row)
{
    if (__builtin_expect(hist_is_mark(f64_bits(rec->v)), 0) && take_behind_hist(s, slot, rec, row))
        return;
    rec->t = row->t;
    rec->v = row->v;
    note_first(s, row->t);
    if (!s->samples_begun)
        record_samples_begin(&s->rec, &s->b->samples.bytes);
    s->samples_begun = true;
    record_samples_add(&s->rec, &s->b->samples.bytes, head_ref(s->h, slot), row->t, row->v);
    if (s->rec.n == RECORD_SAMPLES_FULL && batch_end_record(&s->b->samples, 0))
        s->samples_begun = false;
    batch_add_sample(s->b, slot, row->t, row->v);
    if (row->t > s->max_t)
        s->max_t = row->t;
    s->report->accepted++;
}

/* ---- samples out of order ---- */

static void note_delta(stager *s, int64_t t)
{
    int64_t delta;
    if (!__builtin_sub_overflow(s->h->staged_max, t, &delta) && delta > 0)
        ooo_delta_add(&s->h->count.ooo_delta, delta);
}

static void take_ooo(stager *s, uint32_t slot, int64_t t, double v, const hist_sample *hist)
{
    uint64_t ref = head_ref(s->h, slot);
    if (hist != NULL) {
        /* Few, as a rule: a record each. */
        if (batch_end_record(&s->b->ooo, 0))
            s->ooo_begun = false;
        const record_base base = {ref, t};
        record_based_begin(&s->b->ooo.bytes, record_type_of_histogram(hist), base);
        record_histogram_add(&s->b->ooo.bytes, base, ref, t, hist);
        batch_end_record(&s->b->ooo, 0);
    } else {
        if (!s->ooo_begun)
            record_samples_begin(&s->ooo_rec, &s->b->ooo.bytes);
        record_samples_add(&s->ooo_rec, &s->b->ooo.bytes, ref, t, v);
        s->ooo_begun = s->ooo_rec.n < RECORD_SAMPLES_FULL || !batch_end_record(&s->b->ooo, 0);
    }
    batch_add_ooo(s->b, ooo_need(s->h, slot), t, v, hist);
    s->report->accepted++;
}

static bool is_too_old(stager *s, int64_t t)
{
    return s->h->ooo_window_ms != 0 && t < s->ooo_floor;
}

/* A sample behind the newest of its series. */
static void stage_behind(stager *s, uint32_t slot, int64_t t, double v, const hist_sample *hist)
{
    note_delta(s, t);
    if (s->h->ooo_window_ms != 0 && !is_too_old(s, t)) {
        take_ooo(s, slot, t, v, hist);
        return;
    }
    tsdb_reject why = is_too_old(s, t) ? REJECT_TOO_OLD : REJECT_OUT_OF_ORDER;
    if (hist != NULL)
        ++*(why == REJECT_TOO_OLD ? &s->h->count.hists_too_old : &s->h->count.hists_out_of_order);
    reject_known(s, why, slot, str_of(reason(why)));
}

/* A sample older than any in order may be; its series may be a new one. */
static void stage_below(stager *s, fer_hash128 fp, fer_str raw, int64_t t, double v,
                        const hist_sample *hist)
{
    tsdb_reject why = REJECT_OUT_OF_BOUNDS;
    if (is_too_old(s, t))
        why = REJECT_TOO_OLD;
    if (s->h->ooo_window_ms == 0 || why == REJECT_TOO_OLD || t == SAMPLE_T_NONE) {
        if (why == REJECT_TOO_OLD)
            note_delta(s, t);
        s->h->count.hists_too_old += why == REJECT_TOO_OLD && hist != NULL;
        reject_row(s, fp, raw, why, str_of(reason(why)));
        return;
    }
    uint32_t slot = find_series(s, fp);
    if (slot == SLOT_NONE)
        slot = meet_series(s, fp, raw);
    if (slot == SLOT_NONE)
        return;
    s->guess = slot + 1;
    note_delta(s, t);
    take_ooo(s, slot, t, v, hist);
}

/* ---- rows of a request ---- */

static void stage_row(stager *s, const tsdb_row *row)
{
    s->raw = &row->raw;
    if (row->t > s->too_far) {
        reject_row(s, row->fp, row->raw, REJECT_TOO_FAR, str_of(reason(REJECT_TOO_FAR)));
        return;
    }
    if (row->t < s->floor || row->t == SAMPLE_T_NONE) {
        stage_below(s, row->fp, row->raw, row->t, row->v, NULL);
        return;
    }
    uint32_t slot = find_series(s, row->fp);
    if (slot == SLOT_NONE)
        slot = meet_series(s, row->fp, row->raw);
    if (slot == SLOT_NONE)
        return;
    s->guess = slot + 1;

    stage_rec *rec = head_stage_rec(s->h, slot);
    if (row->t > rec->t) {
        take_sample(s, slot, rec, row);
    } else if (row->t < rec->t) {
        stage_behind(s, slot, row->t, row->v, NULL);
    } else if (f64_bits(row->v) == f64_bits(rec->v) || is_same_stale(row, rec)) {
        s->report->accepted++;
        s->report->duplicate_equal++;
    } else {
        reject_duplicate(s, slot, row, rec->v);
    }
}

static bool is_refused(stager *s, const tsdb_hist_row *row)
{
    tsdb_reject why = REJECT_NONE;
    if (row->refuse.n != 0)
        why = REJECT_HISTOGRAM;
    else if (row->t > s->too_far)
        why = REJECT_TOO_FAR;
    if (why != REJECT_NONE)
        reject_row(s, row->fp, row->raw, why,
                   why == REJECT_HISTOGRAM ? row->refuse : str_of(reason(why)));
    return why != REJECT_NONE;
}

static void judge_hist(stager *s, const tsdb_hist_row *row)
{
    s->raw = &row->raw;
    if (is_refused(s, row))
        return;
    if (row->t < s->floor || row->t == SAMPLE_T_NONE) {
        stage_below(s, row->fp, row->raw, row->t, 0, &row->h);
        return;
    }
    uint32_t slot = find_series(s, row->fp);
    if (slot == SLOT_NONE)
        slot = meet_series(s, row->fp, row->raw);
    if (slot == SLOT_NONE)
        return;
    s->guess = slot + 1;
    stage_rec *rec = head_stage_rec(s->h, slot);
    if (row->t > rec->t) {
        take_hist(s, slot, rec, row->t, &row->h);
    } else if (row->t < rec->t) {
        stage_behind(s, slot, row->t, 0, &row->h);
    } else if (f64_bits(hist_mark(&row->h)) == f64_bits(rec->v)) {
        s->report->accepted++;
        s->report->duplicate_equal++;
    } else {
        reject_known(s, REJECT_DUPLICATE, slot, str_of(reason(REJECT_DUPLICATE)));
    }
}

static void stage_hist(stager *s, const tsdb_hist_row *row)
{
    uint64_t accepted = s->report->accepted, rejected = s->report->n_rejected;
    judge_hist(s, row);
    s->report->hists_accepted += s->report->accepted - accepted;
    s->report->hists_rejected += s->report->n_rejected - rejected;
}

/* The series of an exemplar, if the head knows it: none is made for it. */
static uint32_t known_series(stager *s, const tsdb_exemplar_row *row)
{
    uint32_t slot = find_series(s, row->fp);
    labels ls;
    label *l = NULL;
    size_t n = 0;
    head_key key;
    if (slot != SLOT_NONE)
        return slot;
    if (s->req->parse(s->req->parse_arg, row->raw, s->req->scratch, &l, &n, NULL) != FER_OK ||
        labels_canonical(l, n, true, &ls, NULL) != FER_OK ||
        head_find_labels(s->h, ls, &key, &slot, NULL) != FER_OK)
        return SLOT_NONE;
    return slot;
}

static void stage_exemplar(stager *s, const tsdb_exemplar_row *row)
{
    label l[LABELS_MAX];
    uint32_t slot = known_series(s, row);
    if (slot == SLOT_NONE)
        return;
    s->guess = slot + 1;
    labels series = head_labels(s->h, slot, l);
    exemplar_verdict v = exemplar_store_check(s->h->exemplars, series, &row->e);
    s->report->exemplars_accepted += v == EXEMPLAR_NEW || v == EXEMPLAR_DUPLICATE;
    if (v != EXEMPLAR_NEW)
        return;
    fer_buf *out = &s->b->exemplars.bytes;
    if (!s->exemplars_begun) {
        s->exemplar_base = (record_base){head_ref(s->h, slot), row->e.t};
        record_based_begin(out, RECORD_EXEMPLARS, s->exemplar_base);
    }
    record_exemplar_add(out, s->exemplar_base, head_ref(s->h, slot), row->e.t, row->e.v, row->e.ls);
    s->exemplars_begun = !batch_end_record(&s->b->exemplars, RECORD_BYTES_FULL);
    batch_add_exemplar(s->b, series, &row->e);
}

/* ---- where series began ---- */

/* The series of a row that is about to be judged; SLOT_NONE leaves it to the row to say why. */
static uint32_t series_to_start(stager *s, fer_hash128 fp, fer_str raw)
{
    uint32_t slot = find_series(s, fp);
    if (slot != SLOT_NONE)
        return slot;
    tsdb_report kept = *s->report;
    s->raw = NULL;
    slot = meet_series(s, fp, raw);
    if (slot == SLOT_NONE)
        *s->report = kept;
    return slot;
}

static void take_start(stager *s, uint32_t slot, const tsdb_start *st)
{
    stage_rec *rec = head_stage_rec(s->h, slot);
    uint64_t accepted = s->report->accepted;
    if (st->t <= rec->t)
        return;
    if (st->of_hist) {
        const hist_sample zero = {.is_float = s->req->rows.hists[st->row].h.is_float};
        take_hist(s, slot, rec, st->t, &zero);
    } else {
        const tsdb_row zero = {.t = st->t};
        take_sample(s, slot, rec, &zero);
    }
    s->report->accepted = accepted;
}

typedef struct started_row {
    fer_hash128 fp;
    fer_str raw;
    int64_t t;
    bool sound;
} started_row;

static started_row row_of(const tsdb_rows *rows, const tsdb_start *st)
{
    if (st->of_hist) {
        const tsdb_hist_row *h = &rows->hists[st->row];
        return (started_row){h->fp, h->raw, h->t, h->refuse.n == 0};
    }
    const tsdb_row *f = &rows->floats[st->row];
    return (started_row){f->fp, f->raw, f->t, true};
}

static void stage_start(stager *s, const tsdb_start *st)
{
    const started_row row = row_of(&s->req->rows, st);
    if (st->t < s->floor || row.t > s->too_far || !row.sound)
        return;
    uint32_t slot = series_to_start(s, row.fp, row.raw);
    if (slot == SLOT_NONE)
        return;
    s->guess = slot; /* the row comes next */
    take_start(s, slot, st);
}

/* The next start, when it is that of a row of this kind below `row`. */
static const tsdb_start *next_start(stager *s, bool of_hist, size_t row)
{
    const tsdb_rows *rows = &s->req->rows;
    if (s->n_started == rows->n_starts)
        return NULL;
    const tsdb_start *st = &rows->starts[s->n_started];
    if (st->of_hist != of_hist || st->row >= row)
        return NULL;
    s->n_started++;
    return st;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Takes rows as long as they come in the order of their series' slots and each is of the common kind: a float behind a
 * float, newer and within the bounds. Returns how many; the next is for stage_row(). */
static size_t stage_in_order(stager *s, const tsdb_row *rows, size_t n)
{
    head *h = s->h;
    uint32_t slot = s->guess, in_block = slot % SLOT_BLOCK;
    if (!s->samples_begun || slot >= h->n_slots)
        return 0;
    n = least(least(n, SLOT_BLOCK - in_block), h->n_slots - slot);
    n = least(n, RECORD_SAMPLES_FULL - 1 - s->rec.n); /* the last one ends the record */
    const slot_block *block = head_block(h, slot);
    stage_rec *rec = block->stage + in_block;
    const uint64_t *refs = block->refs == NULL ? NULL : block->refs + in_block;
    const uint64_t first_ref = block->ref_base + in_block;
    fer_buf *bytes = &s->b->samples.bytes;
    uint8_t *begin = (uint8_t *)fer_buf_room(bytes, n * RECORD_SAMPLE_BYTES_MAX), *at = begin;
    batch_sample *out = batch_room(s->b, n);
    const record_samples record = s->rec;
    const int64_t floor = s->floor, too_far = s->too_far;
    int64_t max_t = s->max_t;
    size_t i = 0;
    for (; i < n; i++) {
        const tsdb_row row = rows[i];
        if (!fp_eq(rec[i].fp, row.fp) || row.t <= rec[i].t || row.t < floor || row.t > too_far ||
            hist_is_mark(f64_bits(rec[i].v)))
            break;
        rec[i].t = row.t;
        rec[i].v = row.v;
        uint64_t ref = refs == NULL ? first_ref + i : refs[i];
        at = record_samples_put(&record, at, ref, row.t, row.v);
        out[i] = (batch_sample){.t = row.t, .v = row.v, .slot = slot + (uint32_t)i};
        if (row.t > max_t)
            max_t = row.t;
    }
    bytes->n += (size_t)(at - begin);
    s->rec.n += i;
    s->b->n += i;
    s->max_t = max_t;
    s->guess = slot + (uint32_t)i;
    s->report->accepted += i;
    return i;
}

static void stage_run(stager *s, size_t from, size_t to)
{
    const tsdb_row *rows = s->req->rows.floats;
    for (size_t i = from; i < to; i++) {
        if (s->guessed && (i += stage_in_order(s, rows + i, to - i)) == to)
            break;
        if (!s->guessed && i + PREFETCH_TABLE < to)
            head_table_prefetch(&s->h->by_fp, head_fp_hash(rows[i + PREFETCH_TABLE].fp));
        stage_row(s, &rows[i]);
    }
}

static void stage_floats(stager *s, size_t from, size_t to)
{
    for (const tsdb_start *st; (st = next_start(s, false, to)) != NULL;) {
        stage_run(s, from, st->row);
        from = st->row;
        stage_start(s, st);
    }
    stage_run(s, from, to);
}

/* Rows of all kinds in the order of the request. */
static void stage_rows(stager *s)
{
    const tsdb_rows *rows = &s->req->rows;
    size_t at = 0;
    for (size_t i = 0; i < rows->n_hists; i++) {
        stage_floats(s, at, rows->hists[i].before);
        at = rows->hists[i].before;
        const tsdb_start *st = next_start(s, true, i + 1);
        if (st != NULL)
            stage_start(s, st);
        stage_hist(s, &rows->hists[i]);
    }
    stage_floats(s, at, rows->n_floats);
    for (size_t i = 0; i < rows->n_exemplars; i++)
        stage_exemplar(s, &rows->exemplars[i]);
}

static stager stager_of(committer *c, const stage_request *req, tsdb_report *report)
{
    head *h = c->h;
    stager s = {.h = h, .b = c->open, .req = req, .report = report};
    s.too_far = req->now_ms > INT64_MAX - FUTURE_MS ? INT64_MAX : req->now_ms + FUTURE_MS;
    s.floor = h->staged_max == INT64_MIN ? h->min_valid_time : floor_after(h, h->staged_max);
    s.max_t = INT64_MIN;
    s.ooo_floor = ooo_floor_of(h);
    return s;
}

fer_code stage_request_take(committer *c, const stage_request *req, tsdb_report *report,
                            fer_err *err)
{
    memset(report, 0, sizeof *report);
    head *h = c->h;
    fer_mutex_lock(&h->mu);
    if (committer_is_full(c)) {
        size_t staged = c->staged_bytes;
        fer_mutex_unlock(&h->mu);
        return fer_fail(err, FER_BUSY,
                        "too much is waiting for the disk: %zu bytes staged, limit %zu", staged,
                        c->limit_bytes);
    }
    stager s = stager_of(c, req, report);
    stage_rows(&s);
    batch_end_record(&s.b->series, 0);
    batch_end_record(&s.b->samples, 0);
    batch_end_record(&s.b->hists, 0);
    batch_end_record(&s.b->exemplars, 0);
    batch_end_record(&s.b->ooo, 0);
    stage_metadata(h, s.b, req->rows.metadata, req->rows.n_metadata);
    if (s.max_t > h->staged_max)
        h->staged_max = s.max_t;
    committer_add_wait(c, req->done, req->done_arg);
    fer_mutex_unlock(&h->mu);
    fer_cond_signal(&c->wake);
    return FER_OK;
}
