/* rw1.c - the scan of a WriteRequest.
 *
 *   WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
 *   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2;
 *                  repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
 *   Exemplar { repeated Label labels = 1; double value = 2; int64 timestamp = 3; }
 *   Label { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2; }
 *
 * Senders write a series' labels as one run of fields in front of its samples; that run, as it stands,
 * is the series' raw name. Labels that come in several runs are gathered into one first, so that the
 * fingerprint does not depend on where the samples stood.
 *
 * Walking over the labels costs as much as hashing them, and tells nothing new of a name that was read before. So where a
 * message ends in one sample, what is before it is taken for the name. A name that is known was walked over when it was
 * new, byte for byte the same; one that is not is walked over now, and if it is more than labels, all is read again
 * without guessing.
 */
#include "server/remote/rw1.h"

#include "server/remote/rw_hist.h"

enum { TAG_LABEL = 0x0a, SAMPLE_FIELDS = 2, KNOWN_AT_ONCE = 2048 };

/* Adds the label field [start, end) to what is known of the series' labels. */
static fer_code note_label(rw_request *q, fer_str *raw, const uint8_t *start, const uint8_t *end)
{
    const char *field = (const char *)start;
    size_t n = (size_t)(end - start);
    if (raw->n == 0) {
        *raw = (fer_str){field, n};
        return FER_OK;
    }
    if (raw->p + raw->n != field)
        return rw_gather(q, raw, (fer_str){field, n});
    raw->n += n;
    return FER_OK;
}

static fer_code scan_label(fer_str msg, label *ret)
{
    fer_rd r = rd_of(msg);
    *ret = (label){STR(""), STR("")};
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > 2)
            continue;
        if (f.type != PB_BYTES)
            return FER_CORRUPT;
        *(f.num == 1 ? &ret->name : &ret->value) = f.bytes;
    }
}

/* The value, the time and the number of labels of an exemplar; labels too where l is not NULL. */
static fer_code scan_exemplar_fields(fer_str msg, label *l, size_t *n, int64_t *t, uint64_t *v)
{
    fer_rd r = rd_of(msg);
    *n = 0;
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > 3)
            continue;
        if (f.type != (f.num == 1 ? PB_BYTES : f.num == 2 ? PB_FIXED64 : PB_VARINT))
            return FER_CORRUPT;
        if (f.num == 1 && l != NULL)
            FER_TRY(scan_label(f.bytes, &l[*n]));
        if (f.num == 1)
            ++*n;
        else if (f.num == 2)
            *v = f.u;
        else
            *t = (int64_t)f.u;
    }
}

static fer_code scan_exemplar(rw_request *q, fer_str msg)
{
    size_t n;
    int64_t t = 0;
    uint64_t v = 0;
    FER_TRY(scan_exemplar_fields(msg, NULL, &n, &t, &v));
    label *l = ARENA_ARRAY(rw_arena(q), label, n);
    if (l == NULL)
        return FER_LIMIT;
    FER_TRY(scan_exemplar_fields(msg, l, &n, &t, &v));
    return rw_add_exemplar(q, l, n, t, f64_of_bits(v));
}

/* Fields 1 to 4 of a TimeSeries; the caller passed the common run of labels already. */
static fer_code scan_series_field(rw_request *q, const pb_field *f, const uint8_t *end,
                                  fer_str *raw)
{
    if (f->num > 4)
        return FER_OK;
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    switch (f->num) {
    case 1:
        return note_label(q, raw, f->start, end);
    case 2:
        return rw_add_sample(q, f->bytes, SAMPLE_FIELDS);
    case 3:
        q->n_exemplars++;
        return scan_exemplar(q, f->bytes);
    default:
        return rw_add_histogram(q, f->bytes, RW1_HISTOGRAM_FIELDS);
    }
}

/* Passes over label fields that stand in one run at the front. Those below 128 bytes, as nearly all are, in a loop that knows
 * only their first two bytes: it ends two bytes before the end at the latest, or beyond it. */
static fer_code skip_label_run(fer_rd *r, fer_str *raw)
{
    enum { TAG_AND_ONE_BYTE = 0x80ff };
    const uint8_t *start = r->p;
    while (r->end - r->p > 2) {
        uint16_t begin;
        memcpy(&begin, r->p, sizeof begin); /* little-endian */
        if ((begin & TAG_AND_ONE_BYTE) != TAG_LABEL)
            break;
        if (r->end - r->p < 2 + (begin >> 8))
            return FER_CORRUPT;
        r->p += 2 + (begin >> 8);
    }
    while (r->p != r->end && *r->p == TAG_LABEL) {
        fer_str label_msg;
        r->p++;
        FER_TRY(rd_str(r, &label_msg));
    }
    *raw = (fer_str){(const char *)start, (size_t)(r->p - start)};
    return FER_OK;
}

/* The one sample of a series, where it ends the message as nearly all are sent. */
static inline bool read_only_sample(const fer_rd *r, int64_t *t, double *v)
{
    return rd_left(r) == RW_SAMPLE_BYTES && rw_read_sample(r->p, t, v);
}

static fer_code scan_fields(rw_request *q, fer_rd *r, fer_str *raw)
{
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        FER_TRY(scan_series_field(q, &f, r->p, raw));
    }
}

/* A scan in progress. */
typedef struct scan {
    rw_request *q;
    rw_fingerprint_fn fp;
    const void *fp_arg;
    bool guesses;
} scan;

static fer_code add_row(const scan *s, fer_str raw, int64_t t, double v)
{
    rw_request *q = s->q;
    FER_TRY(rw_need_row(q));
    q->rows[q->n_rows++] = (tsdb_row){s->fp(s->fp_arg, raw), raw, t, v};
    q->n_series++;
    return FER_OK;
}

/* Whether the message ends in one sample, and not in two. */
static inline bool guess_only_sample(fer_str msg, int64_t *t, double *v)
{
    if (msg.n < RW_SAMPLE_BYTES)
        return false;
    const uint8_t *end = (const uint8_t *)msg.p + msg.n;
    bool two = msg.n >= 2 * RW_SAMPLE_BYTES && rw_begins_sample(end - 2 * RW_SAMPLE_BYTES);
    return !two && rw_read_sample(end - RW_SAMPLE_BYTES, t, v);
}

static fer_code scan_series(const scan *s, fer_str msg)
{
    rw_request *q = s->q;
    fer_rd r = rd_of(msg);
    fer_str raw;
    int64_t t;
    double v;
    if (s->guesses && guess_only_sample(msg, &t, &v))
        return add_row(s, str_head(msg, msg.n - RW_SAMPLE_BYTES), t, v);
    FER_TRY(skip_label_run(&r, &raw));
    if (read_only_sample(&r, &t, &v))
        return add_row(s, raw, t, v);
    q->n_series++;
    rw_mark first = rw_mark_now(q);
    FER_TRY(scan_fields(q, &r, &raw));
    if (rw_has_rows(q, first) || rw_has_exemplars(q, first))
        rw_name_rows(q, first, raw, s->fp(s->fp_arg, raw));
    return FER_OK;
}

static fer_code scan_metadata(rw_request *q, fer_str msg)
{
    fer_rd r = rd_of(msg);
    metadata_family m = {0};
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_VARINT)
            m.type = (uint32_t)f.u;
        else if (f.num == 2 && f.type == PB_BYTES)
            m.family = f.bytes;
        else if (f.num == 4 && f.type == PB_BYTES)
            m.help = f.bytes;
        else if (f.num == 5 && f.type == PB_BYTES)
            m.unit = f.bytes;
        else if (f.num == 1 || f.num == 2 || f.num == 4 || f.num == 5)
            return FER_CORRUPT;
    }
    return rw_add_metadata(q, &m);
}

static fer_code scan_request(const scan *s, fer_str msg, fer_err *err)
{
    rw_request *ret = s->q;
    rw_request_begin(ret, msg.n);
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        if (c == FER_OK && (f.num == 1 || f.num == 3) && f.type != PB_BYTES)
            c = FER_CORRUPT;
        if (c == FER_OK && f.num == 1)
            c = scan_series(s, f.bytes);
        else if (c == FER_OK && f.num == 3)
            c = scan_metadata(ret, f.bytes);
        if (c == FER_LIMIT)
            return fer_fail_budget(err, "remote write");
        if (c != FER_OK)
            return fer_fail(err, FER_INVALID,
                            "proto: malformed prometheus.WriteRequest in the field at byte %td",
                            f.start - (const uint8_t *)msg.p);
    }
    return FER_OK;
}

fer_code rw1_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg, rw_request *ret,
                  fer_err *err)
{
    return scan_request(&(scan){ret, fp, fp_arg, false}, msg, err);
}

static bool is_label_run(fer_str raw)
{
    fer_rd r = rd_of(raw);
    return skip_label_run(&r, &raw) == FER_OK && r.p == r.end;
}

/* Whether the names of all rows are labels and nothing else. */
static bool guessed_right(const rw_request *q, rw1_known_fn known, void *known_arg)
{
    bool is_known[KNOWN_AT_ONCE];
    for (size_t at = 0; at < q->n_rows; at += KNOWN_AT_ONCE) {
        size_t n = q->n_rows - at < KNOWN_AT_ONCE ? q->n_rows - at : KNOWN_AT_ONCE;
        known(known_arg, q->rows + at, n, is_known);
        for (size_t i = 0; i < n; i++)
            if (!is_known[i] && !is_label_run(q->rows[at + i].raw))
                return false;
    }
    return true;
}

fer_code rw1_scan_known(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg, rw1_known_fn known,
                        void *known_arg, rw_request *ret, fer_err *err)
{
    const scan guessing = {ret, fp, fp_arg, true};
    if (scan_request(&guessing, msg, err) == FER_OK && guessed_right(ret, known, known_arg))
        return FER_OK;
    return rw1_scan(msg, fp, fp_arg, ret, err);
}

fer_code rw1_labels(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err)
{
    (void)arg;
    size_t n = 0;
    fer_rd r = rd_of(raw);
    pb_field f = {0};
    while (pb_next(&r, &f) == FER_OK)
        n++;
    if (n > LABELS_MAX)
        return fer_fail(err, FER_INVALID, "more than %d labels", LABELS_MAX);
    label *l = ARENA_ARRAY(scratch, label, n);
    if (l == NULL)
        return fer_fail_budget(err, "labels");
    r = rd_of(raw);
    for (size_t i = 0; i < n; i++) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_OK)
            c = scan_label(f.bytes, &l[i]);
        if (c != FER_OK)
            return fer_fail(err, FER_INVALID, "proto: malformed prometheus.Label");
    }
    *ret = l;
    *ret_n = n;
    return FER_OK;
}
