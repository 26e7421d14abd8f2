/* record.h - WAL records: encode and decode (FORMAT.md section 12, tsdb/record of Prometheus).
 *
 * Encoders append to a fer_buf; decoders call back per item. Series (1), samples (2), tombstones (3), metadata (6)
 * and, in the log of samples out of order alone, markers (5); other types are told by their number and
 * skipped by the caller with a count.
 * Threads: pure functions.
 */
#ifndef FERULA_TSDB_RECORD_H
#define FERULA_TSDB_RECORD_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/varint.h"
#include "tsdb/labels.h"

typedef enum record_type {
    RECORD_SERIES = 1,
    RECORD_SAMPLES = 2,
    RECORD_TOMBSTONES = 3,
    RECORD_EXEMPLARS = 4,
    RECORD_MMAP_MARKERS = 5,
    RECORD_METADATA = 6,
    RECORD_HISTOGRAM_SAMPLES = 7,
    RECORD_FLOAT_HISTOGRAM_SAMPLES = 8,
    RECORD_CUSTOM_HISTOGRAM_SAMPLES = 9,
    RECORD_CUSTOM_FLOAT_HISTOGRAM_SAMPLES = 10,
    RECORD_SAMPLES_V2 = 11,
    RECORD_HISTOGRAM_SAMPLES_V2 = 12,
    RECORD_FLOAT_HISTOGRAM_SAMPLES_V2 = 13,
} record_type;

/* A Series record is one type byte, then any number of series. */
void record_series_begin(fer_buf *out);
void record_series_add(fer_buf *out, uint64_t ref, labels ls);

/* A Samples record: deltas against the first sample of the record. */
typedef struct record_samples {
    uint64_t base_ref;
    int64_t base_t;
    size_t n;
} record_samples;
enum { RECORD_SAMPLE_BYTES_MAX = 2 * VARINT_MAX + 8 }; /* of one that is not the first */
void record_samples_begin(record_samples *s, fer_buf *out);
/* One more sample at `at`, where there is room, of a record that has its first. Returns where it ends. */
static inline uint8_t *record_samples_put(const record_samples *s, uint8_t *at, uint64_t ref,
                                          int64_t t, double v)
{
    at += varint_put(at, (int64_t)(ref - s->base_ref));
    at += varint_put(at, (int64_t)((uint64_t)t - (uint64_t)s->base_t));
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    be64_put(at, bits);
    return at + sizeof bits;
}
static inline void record_samples_add(record_samples *s, fer_buf *out, uint64_t ref, int64_t t,
                                      double v)
{
    uint8_t *p = (uint8_t *)fer_buf_room(out, 16 + RECORD_SAMPLE_BYTES_MAX);
    if (p == NULL)
        return;
    uint8_t *at = p;
    if (s->n++ == 0) {
        s->base_ref = ref;
        s->base_t = t;
        be64_put(at, ref);
        be64_put(at + 8, (uint64_t)t);
        at += 16;
    }
    out->n += (size_t)(record_samples_put(s, at, ref, t, v) - p);
}

/* A Tombstones record: type byte, then any number of deletions of [mint, maxt]. */
void record_tombstones_begin(fer_buf *out);
void record_tombstones_add(fer_buf *out, uint64_t ref, int64_t mint, int64_t maxt);

/* A Metadata record: type byte, then any number of entries. */
typedef struct record_metadata {
    uint64_t ref;
    uint8_t type; /* family_type */
    fer_str unit, help;
    fer_str
        family; /* empty: what the name of the series and the type tell, as in all that Prometheus writes */
} record_metadata;

void record_metadata_begin(fer_buf *out);
void record_metadata_add(fer_buf *out, const record_metadata *m);

/* A record of markers: type byte, then any number of them. One says that the series' samples before it in this log are in the
 * chunk of chunks_head at `place` (file number << 32 | where its record begins); 0: the series begins there. */
void record_markers_begin(fer_buf *out);
void record_markers_add(fer_buf *out, uint64_t ref, uint64_t place);

typedef struct record_visitor {
    void *arg;
    /* label views live during the call */
    fer_code (*series)(void *arg, uint64_t ref, labels ls);
    fer_code (*sample)(void *arg, uint64_t ref, int64_t t, double v);
    fer_code (*tombstone)(void *arg, uint64_t ref, int64_t mint, int64_t maxt);
    fer_code (*metadata)(void *arg, const record_metadata *m);
    fer_code (*marker)(void *arg, uint64_t ref, uint64_t place);
} record_visitor;

/* Reads a Samples record without calls back, for whom there are millions. */
typedef struct record_floats {
    fer_rd left;
    uint64_t base_ref, base_t;
} record_floats;
/* FER_CORRUPT for less than a base; a record of no samples has none. */
FER_MUST_CHECK fer_code record_floats_begin(record_floats *s, fer_str rec, fer_err *err);
/* What to say of the record when one of its samples is damaged. */
FER_MUST_CHECK fer_code record_floats_damaged(const record_floats *s, fer_str rec, fer_err *err);

/* A varint where at least VARINT_MAX bytes can be read; NULL if it does not fit 64 bits. */
const uint8_t *record_long_varint(const uint8_t *p, int64_t *ret);
/* The same; mostly of one or two bytes. */
static inline const uint8_t *record_varint(const uint8_t *p, int64_t *ret)
{
    if (p[0] < 0x80) {
        *ret = zigzag_get(p[0]);
        return p + 1;
    }
    if (p[1] < 0x80) {
        *ret = zigzag_get((p[0] & 0x7fU) | (uint64_t)p[1] << 7);
        return p + 2;
    }
    return record_long_varint(p, ret);
}

static inline double record_double(const uint8_t *p)
{
    uint64_t bits = be64_get(p);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The next sample, where bytes are left. FER_CORRUPT where they are not one. */
FER_MUST_CHECK static inline fer_code record_floats_next(record_floats *s, uint64_t *ret_ref,
                                                         int64_t *ret_t, double *ret_v)
{
    enum { SAMPLE_BYTES_MAX = 2 * VARINT_MAX + 8 };
    int64_t dref, dt;
    if (rd_left(&s->left) >= SAMPLE_BYTES_MAX) {
        const uint8_t *p = record_varint(s->left.p, &dref);
        if (p == NULL || (p = record_varint(p, &dt)) == NULL)
            return FER_CORRUPT;
        *ret_v = record_double(p);
        s->left.p = p + 8;
    } else {
        fer_str bytes;
        FER_TRY(rd_varint(&s->left, &dref));
        FER_TRY(rd_varint(&s->left, &dt));
        FER_TRY(rd_bytes(&s->left, 8, &bytes));
        *ret_v = record_double((const uint8_t *)bytes.p);
    }
    *ret_ref = s->base_ref + (uint64_t)dref;
    *ret_t = (int64_t)(s->base_t + (uint64_t)dt);
    return FER_OK;
}

/* 0 for an empty record. */
uint8_t record_type_of(fer_str rec);
/* Decodes one record of a type above that has a visitor entry (NULL entries skip). FER_CORRUPT with
 * what and where; items before the fault have been delivered. FER_UNSUPPORTED for other types. */
FER_MUST_CHECK fer_code record_decode(fer_str rec, const record_visitor *v, fer_err *err);

#endif
