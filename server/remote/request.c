/* request.c - the arrays behind a remote-write request. */
#include "server/remote/request.h"

#include "server/remote/rw_hist.h"

enum { BAD_TEXT_BYTES_MAX = 64 * 1024 };

void rw_request_init(rw_request *q, fer_account *acct)
{
    *q = (rw_request){.acct = acct};
    fer_buf_init(&q->gathered, RW_DECODED_BYTES_MAX, acct);
    fer_buf_init(&q->bad, BAD_TEXT_BYTES_MAX, NULL);
}

void rw_request_done(rw_request *q)
{
    fer_account_release(q->acct, rw_request_bytes(q) - q->gathered.cap);
    fer_free(q->rows);
    fer_free(q->hists);
    fer_free(q->exemplars);
    fer_free(q->starts);
    fer_arena_free(q->arena);
    fer_free(q->metadata);
    fer_buf_done(&q->gathered);
    fer_buf_done(&q->bad);
    rw_request_init(q, q->acct);
}

size_t rw_request_bytes(const rw_request *q)
{
    return q->cap_rows * sizeof *q->rows + q->cap_hists * sizeof *q->hists +
           q->cap_exemplars * sizeof *q->exemplars + q->cap_starts * sizeof *q->starts +
           q->cap_metadata * sizeof *q->metadata + q->gathered.cap;
}

void rw_request_begin(rw_request *q, size_t msg_bytes)
{
    q->n_rows = q->n_hists = q->n_exemplar_rows = q->n_metadata = 0;
    q->n_series = q->n_exemplars = q->n_starts = 0;
    if (q->arena != NULL)
        fer_arena_reset(q->arena);
    q->n_bad_series = q->n_bad_samples = 0;
    fer_buf_clear(&q->bad);
    fer_buf_clear(&q->gathered);
    q->msg_bytes = msg_bytes;
}

fer_code rw_grow(fer_account *acct, void **p, size_t *cap, size_t size)
{
    size_t more = *cap == 0 ? 64 : *cap;
    if (!fer_account_charge(acct, more * size))
        return FER_LIMIT;
    *p = fer_realloc(*p, (*cap + more) * size);
    *cap += more;
    return FER_OK;
}

fer_code rw_add_metadata(rw_request *q, const metadata_family *m)
{
    if (q->n_metadata == q->cap_metadata)
        FER_TRY(rw_grow(q->acct, (void **)&q->metadata, &q->cap_metadata, sizeof *q->metadata));
    q->metadata[q->n_metadata++] = *m;
    return FER_OK;
}

static fer_code gather(rw_request *q, fer_str run)
{
    if (fer_buf_room(&q->gathered, q->msg_bytes - q->gathered.n) == NULL)
        return FER_LIMIT;
    fer_buf_puts(&q->gathered, run);
    return FER_OK;
}

fer_code rw_gather(rw_request *q, fer_str *raw, fer_str run)
{
    const char *gathered_end = q->gathered.n == 0 ? NULL : q->gathered.p + q->gathered.n;
    if (raw->p + raw->n != gathered_end) {
        size_t at = q->gathered.n;
        FER_TRY(gather(q, *raw));
        raw->p = q->gathered.p + at;
    }
    FER_TRY(gather(q, run));
    raw->n += run.n;
    return FER_OK;
}

fer_arena *rw_arena(rw_request *q)
{
    if (q->arena == NULL)
        q->arena = fer_arena_new(q->acct, 0);
    return q->arena;
}

fer_code rw_add_exemplar(rw_request *q, label *l, size_t n, int64_t t, double v)
{
    labels ls;
    if (labels_canonical(l, n, false, &ls, NULL) != FER_OK)
        return FER_OK;
    if (q->n_exemplar_rows == q->cap_exemplars)
        FER_TRY(rw_grow(q->acct, (void **)&q->exemplars, &q->cap_exemplars, sizeof *q->exemplars));
    q->exemplars[q->n_exemplar_rows++] = (tsdb_exemplar_row){.e = {ls, v, t}};
    return FER_OK;
}

fer_code rw_add_histogram(rw_request *q, fer_str msg, uint32_t last_field)
{
    if (q->n_hists == q->cap_hists)
        FER_TRY(rw_grow(q->acct, (void **)&q->hists, &q->cap_hists, sizeof *q->hists));
    tsdb_hist_row *row = &q->hists[q->n_hists];
    FER_TRY(rw_scan_histogram(msg, last_field, rw_arena(q), row));
    row->before = q->n_rows;
    q->n_hists++;
    return FER_OK;
}

fer_code rw_add_start(rw_request *q, int64_t t, size_t row, bool of_hist)
{
    if (t <= 0 || t >= (of_hist ? q->hists[row].t : q->rows[row].t))
        return FER_OK;
    if (q->n_starts == q->cap_starts)
        FER_TRY(rw_grow(q->acct, (void **)&q->starts, &q->cap_starts, sizeof *q->starts));
    q->starts[q->n_starts++] = (tsdb_start){t, row, of_hist};
    return FER_OK;
}

void rw_name_rows(rw_request *q, rw_mark since, fer_str raw, fer_hash128 fp)
{
    for (size_t i = since.rows; i < q->n_rows; i++) {
        q->rows[i].fp = fp;
        q->rows[i].raw = raw;
    }
    for (size_t i = since.hists; i < q->n_hists; i++) {
        q->hists[i].fp = fp;
        q->hists[i].raw = raw;
    }
    for (size_t i = since.exemplars; i < q->n_exemplar_rows; i++) {
        q->exemplars[i].fp = fp;
        q->exemplars[i].raw = raw;
    }
}
