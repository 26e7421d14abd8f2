/* request.h - what one remote-write request holds, whichever message it came in.
 *
 * The scans (rw1.h, rw2.h) fill it; the receiver stages its rows. Everything is a view into the decoded
 * bytes, which stay until the request is staged. Reused from request to request.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_REMOTE_REQUEST_H
#define FERULA_SERVER_REMOTE_REQUEST_H

#include "base/buf.h"
#include "server/remote/metadata.h"
#include "server/remote/pb.h"
#include "tsdb/tsdb.h"

enum { RW_DECODED_BYTES_MAX = 32 * 1024 * 1024, RW_BAD_TEXTS_MAX = 10 };

typedef struct rw_request {
    fer_account *acct;
    tsdb_row *rows; /* samples in the order of the request */
    size_t n_rows, cap_rows;
    tsdb_hist_row *hists;
    size_t n_hists, cap_hists;
    tsdb_exemplar_row *exemplars; /* those that can be read */
    size_t n_exemplar_rows, cap_exemplars;
    bool wants_starts; /* set by the receiver; else there are none */
    bool
        wants_types; /* set by the receiver: metadata of 2.0 becomes the labels __type__ and __unit__ */
    tsdb_start *starts;
    size_t n_starts, cap_starts;
    fer_arena *arena; /* of histograms and exemplars; NULL before the first */
    metadata_family *metadata;
    size_t n_metadata, cap_metadata;
    size_t n_series, n_exemplars;
    size_t n_bad_series,
        n_bad_samples; /* refused by the scan; their samples are not among the rows */
    fer_buf bad;       /* the first texts about them, a line each */
    size_t msg_bytes;
    fer_buf gathered; /* names of series whose label fields are not in one run */
} rw_request;

/* Gives the 128-bit identity of bytes: tsdb_fingerprint(). */
typedef fer_hash128 (*rw_fingerprint_fn)(const void *arg, fer_str raw);

void rw_request_init(rw_request *q, fer_account *acct);
void rw_request_done(rw_request *q);
/* Bytes kept for reuse. */
size_t rw_request_bytes(const rw_request *q);

/* For the scans: forgets the last request; the coming message has msg_bytes. */
void rw_request_begin(rw_request *q, size_t msg_bytes);
/* Doubles an array of n = cap elements, on the account. */
FER_MUST_CHECK fer_code rw_grow(fer_account *acct, void **p, size_t *cap, size_t size);
FER_MUST_CHECK fer_code rw_add_metadata(rw_request *q, const metadata_family *m);
/* Appends a run of a series' name to those gathered; *raw is the name so far and then with the run.
 * All gathered bytes of a request fit in its own length, which is reserved at the first need: rows may
 * point into the buffer. */
FER_MUST_CHECK fer_code rw_gather(rw_request *q, fer_str *raw, fer_str run);
/* Adds a Histogram message (rw_hist.h). */
FER_MUST_CHECK fer_code rw_add_histogram(rw_request *q, fer_str msg, uint32_t last_field);

/* The request's arena. */
fer_arena *rw_arena(rw_request *q);
/* Adds an exemplar with n labels in the arena, in any order; labels that are not valid leave it out. */
FER_MUST_CHECK fer_code rw_add_exemplar(rw_request *q, label *l, size_t n, int64_t t, double v);

/* Notes that the series of the row began at t, where that is a time before the row's. */
FER_MUST_CHECK fer_code rw_add_start(rw_request *q, int64_t t, size_t row, bool of_hist);

/* How many rows there are; rows of a series are those behind such a mark. */
typedef struct rw_mark {
    size_t rows, hists, exemplars;
} rw_mark;

static inline rw_mark rw_mark_now(const rw_request *q)
{
    return (rw_mark){q->n_rows, q->n_hists, q->n_exemplar_rows};
}

static inline bool rw_has_rows(const rw_request *q, rw_mark since)
{
    return q->n_rows != since.rows || q->n_hists != since.hists;
}

static inline bool rw_has_exemplars(const rw_request *q, rw_mark since)
{
    return q->n_exemplar_rows != since.exemplars;
}

/* Names the rows behind the mark. */
void rw_name_rows(rw_request *q, rw_mark since, fer_str raw, fer_hash128 fp);

/* A sample field as nearly all are sent: its tag and length, the value, and a time of six bytes, as those of the years 1971 to
 * 2109 have. */
enum { RW_SAMPLE_BYTES = 18 };

/* Whether a field of RW_SAMPLE_BYTES begins here: its tag and length, those of the value and of the time. */
static inline bool rw_begins_sample(const uint8_t *p)
{
    return p[0] == 0x12 && p[1] == RW_SAMPLE_BYTES - 2 && p[2] == 0x09 && p[11] == 0x10;
}

/* Reads one of RW_SAMPLE_BYTES; false: these are none. */
static inline bool rw_read_sample(const uint8_t *p, int64_t *t, double *v)
{
    const uint64_t more = UINT64_C(0x008080808080), every = UINT64_C(0x808080808080);
    uint64_t w;
    memcpy(&w, p + RW_SAMPLE_BYTES - sizeof w, sizeof w);
    w >>= 16;
    if (!rw_begins_sample(p) || (w & every) != more)
        return false;
    w &= ~every; /* groups of 7 bits; then of 14, then of 28 and 14 */
    w = (w & UINT64_C(0x007f007f007f)) | (w & UINT64_C(0x7f007f007f00)) >> 1;
    w = (w & 0x3fff) | (w >> 16 & 0x3fff) << 14 | (w >> 32 & 0x3fff) << 28;
    *t = (int64_t)w;
    memcpy(v, p + 3, sizeof *v);
    return true;
}

/* A Sample message: value = 1, timestamp = 2 and, where last_field says so, start_timestamp = 3, which is
 * not stored yet. Absent fields are zero, unknown ones skipped. */
static inline fer_code rw_scan_sample(fer_str msg, uint32_t last_field, int64_t *t, double *v)
{
    enum { TAG_VALUE = 0x09, TAG_TIMESTAMP = 0x10 };
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
        else if (f.num <= last_field && !(f.num == 3 && f.type == PB_VARINT))
            return FER_CORRUPT;
    }
    *t = (int64_t)time;
    memcpy(v, &bits, sizeof *v);
    return FER_OK;
}

/* Room for one more sample. */
static inline fer_code rw_need_row(rw_request *q)
{
    return q->n_rows < q->cap_rows
               ? FER_OK
               : rw_grow(q->acct, (void **)&q->rows, &q->cap_rows, sizeof *q->rows);
}

static inline fer_code rw_add_sample(rw_request *q, fer_str msg, uint32_t last_field)
{
    FER_TRY(rw_need_row(q));
    tsdb_row *row = &q->rows[q->n_rows];
    FER_TRY(rw_scan_sample(msg, last_field, &row->t, &row->v));
    q->n_rows++;
    return FER_OK;
}

#endif
