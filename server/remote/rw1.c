/* rw1.c - the scan of a WriteRequest.
 *
 *   WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
 *   TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2;
 *                  repeated Exemplar exemplars = 3; repeated Histogram histograms = 4; }
 *   Label { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2; }
 *
 * Senders write a series' labels as one run of fields in front of its samples; that run, as it stands,
 * is the series' raw name. Labels that come in several runs are gathered into one first, so that the
 * fingerprint does not depend on where the samples stood.
 */
#include "server/remote/rw1.h"

#include <snappy-c.h>

#include "server/remote/pb.h"

enum { TAG_LABEL = 0x0a, TAG_VALUE = 0x09, TAG_TIMESTAMP = 0x10 };

void rw_request_init(rw_request *q, fer_account *acct)
{
    *q = (rw_request){.acct = acct};
    fer_buf_init(&q->gathered, RW_DECODED_BYTES_MAX, acct);
}

void rw_request_done(rw_request *q)
{
    fer_account_release(q->acct, rw_request_bytes(q) - q->gathered.cap);
    fer_free(q->rows);
    fer_free(q->metadata);
    fer_buf_done(&q->gathered);
    rw_request_init(q, q->acct);
}

size_t rw_request_bytes(const rw_request *q)
{
    return q->cap_rows * sizeof *q->rows + q->cap_metadata * sizeof *q->metadata + q->gathered.cap;
}

/* Doubles an array of the request, on the account. */
static fer_code grow(rw_request *q, void **p, size_t *cap, size_t size)
{
    size_t more = *cap == 0 ? 64 : *cap;
    if (!fer_account_charge(q->acct, more * size))
        return FER_LIMIT;
    *p = fer_realloc(*p, (*cap + more) * size);
    *cap += more;
    return FER_OK;
}

fer_code rw_snappy_decode(fer_str body, fer_buf *out, fer_err *err)
{
    size_t n;
    fer_buf_clear(out);
    if (snappy_uncompressed_length(body.p, body.n, &n) != SNAPPY_OK)
        return fer_fail(err, FER_INVALID, "snappy: corrupt input");
    if (n > RW_DECODED_BYTES_MAX)
        return fer_fail(err, FER_INVALID,
                        "snappy: decoded length %zu is above the limit of %d bytes", n,
                        RW_DECODED_BYTES_MAX);
    char *to = fer_buf_room(out, n);
    if (to == NULL)
        return fer_fail_budget(err, "remote write");
    if (snappy_uncompress(body.p, body.n, to, &n) != SNAPPY_OK)
        return fer_fail(err, FER_INVALID, "snappy: corrupt input");
    out->n = n;
    return FER_OK;
}

/* A Sample message; absent fields are zero, unknown ones skipped. */
static fer_code scan_sample(fer_str msg, int64_t *t, double *v)
{
    fer_rd r = rd_of(msg);
    uint64_t bits = 0;
    uint64_t time = 0;
    if (msg.n >= 10 && r.p[0] == TAG_VALUE &&
        r.p[9] == TAG_TIMESTAMP) { /* as every sender writes it */
        memcpy(&bits, r.p + 1, 8);
        r.p += 10;
        FER_TRY(rd_uvarint(&r, &time));
    }
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num == 1 && f.type == PB_FIXED64)
            bits = f.u;
        else if (f.num == 2 && f.type == PB_VARINT)
            time = f.u;
        else if (f.num <= 2)
            return FER_CORRUPT;
    }
    *t = (int64_t)time;
    memcpy(v, &bits, sizeof *v);
    return FER_OK;
}

static fer_code add_sample(rw_request *q, fer_str msg)
{
    if (q->n_rows == q->cap_rows)
        FER_TRY(grow(q, (void **)&q->rows, &q->cap_rows, sizeof *q->rows));
    tsdb_row *row = &q->rows[q->n_rows];
    FER_TRY(scan_sample(msg, &row->t, &row->v));
    q->n_rows++;
    return FER_OK;
}

/* Appends a run of label fields to those gathered. All gathered bytes of a request fit in its own
 * length, which is reserved at the first need: rows may point into the buffer. */
static fer_code gather(rw_request *q, fer_str run)
{
    if (fer_buf_room(&q->gathered, q->msg_bytes - q->gathered.n) == NULL)
        return FER_LIMIT;
    fer_buf_puts(&q->gathered, run);
    return FER_OK;
}

/* Adds the label field [start, end) to what is known of the series' labels. */
static fer_code note_label(rw_request *q, fer_str *raw, const uint8_t *start, const uint8_t *end)
{
    const char *field = (const char *)start;
    size_t n = (size_t)(end - start);
    if (raw->n == 0) {
        *raw = (fer_str){field, n};
        return FER_OK;
    }
    if (raw->p + raw->n != field) {
        const char *gathered_end = q->gathered.n == 0 ? NULL : q->gathered.p + q->gathered.n;
        if (raw->p + raw->n != gathered_end) {
            size_t at = q->gathered.n;
            FER_TRY(gather(q, *raw));
            raw->p = q->gathered.p + at;
        }
        FER_TRY(gather(q, (fer_str){field, n}));
    }
    raw->n += n;
    return FER_OK;
}

/* Fields 1 to 4 of a TimeSeries; the caller passed the common run of labels already. */
static fer_code scan_series_field(rw_request *q, const pb_field *f, const uint8_t *end,
                                  fer_str *raw, bool *has_histogram)
{
    if (f->num > 4)
        return FER_OK;
    if (f->type != PB_BYTES)
        return FER_CORRUPT;
    switch (f->num) {
    case 1:
        return note_label(q, raw, f->start, end);
    case 2:
        return add_sample(q, f->bytes);
    case 3:
        q->n_exemplars++;
        return FER_OK;
    default:
        *has_histogram = true;
        q->n_histograms++;
        return FER_OK;
    }
}

/* Passes over label fields that stand in one run at the front. */
static fer_code skip_label_run(fer_rd *r, fer_str *raw)
{
    const uint8_t *start = r->p;
    while (r->p != r->end && *r->p == TAG_LABEL) {
        fer_str label_msg;
        r->p++;
        FER_TRY(rd_str(r, &label_msg));
    }
    *raw = (fer_str){(const char *)start, (size_t)(r->p - start)};
    return FER_OK;
}

static fer_code scan_series(rw_request *q, fer_str msg, rw_fingerprint_fn fp, const void *fp_arg)
{
    fer_rd r = rd_of(msg);
    fer_str raw;
    bool has_histogram = false;
    size_t first = q->n_rows;
    FER_TRY(skip_label_run(&r, &raw));
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        FER_TRY(scan_series_field(q, &f, r.p, &raw, &has_histogram));
    }
    q->n_series++;
    if (has_histogram && q->histogram_labels.p == NULL)
        q->histogram_labels = raw;
    if (q->n_rows == first)
        return FER_OK;
    fer_hash128 h = fp(fp_arg, raw);
    for (size_t i = first; i < q->n_rows; i++) {
        q->rows[i].fp = h;
        q->rows[i].raw = raw;
    }
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
    if (q->n_metadata == q->cap_metadata)
        FER_TRY(grow(q, (void **)&q->metadata, &q->cap_metadata, sizeof *q->metadata));
    q->metadata[q->n_metadata++] = m;
    return FER_OK;
}

fer_code rw1_scan(fer_str msg, rw_fingerprint_fn fp, const void *fp_arg, rw_request *ret,
                  fer_err *err)
{
    ret->n_rows = ret->n_metadata = 0;
    ret->n_series = ret->n_histograms = ret->n_exemplars = 0;
    ret->histogram_labels = (fer_str){NULL, 0};
    fer_buf_clear(&ret->gathered);
    ret->msg_bytes = msg.n;
    fer_rd r = rd_of(msg);
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        if (c == FER_OK && (f.num == 1 || f.num == 3) && f.type != PB_BYTES)
            c = FER_CORRUPT;
        if (c == FER_OK && f.num == 1)
            c = scan_series(ret, f.bytes, fp, fp_arg);
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
