/* ooo_series.h - samples that came behind the newest of their series (docs/head.md, "Out of order").
 *
 * A series gets such a record with its first sample out of order; to the others it costs nothing. Up to OOO_OPEN_MAX
 * samples stand sorted in `open`; when one more comes they become chunks, which stand in order of arrival and
 * may overlap. A sample at a time that is in `open` is dropped: the first one counts, as in Prometheus.
 *
 * Compaction draws a line, freezes what came before it, writes that as blocks and then drops it: ooo_draw_line(), ooo_freeze(),
 * head_export_open_ooo(), ooo_drop_frozen(). The line is drawn where a segment of the log ends, so what is dropped is exactly what
 * the segments removed then had: nothing comes back at a start that was deleted from the block. A series that gets a sample after the
 * line, before its turn came, freezes what it has first.
 *
 * Locks: the table of records and what is staged are under `mu`, samples and chunks under `publish`. A record goes only
 * under both, when nothing of it is staged or stored; so a batch may point to it.
 */
#ifndef FERULA_TSDB_OOO_SERIES_H
#define FERULA_TSDB_OOO_SERIES_H

#include "tsdb/head/head.h"

enum { OOO_OPEN_MAX = 32 };
#define OOO_FLOAT_HIST 0x80000000U

typedef struct ooo_sample {
    int64_t t;
    union {
        double v;
        struct {
            slab_ref at;    /* a chunk of this one histogram */
            uint32_t bytes; /* of it; OOO_FLOAT_HIST: it is of float histograms */
        } hist;
    };
} ooo_sample;

typedef struct ooo_series {
    uint32_t slot;
    uint32_t place;  /* in the table */
    uint64_t staged; /* samples given to batches; under mu */
    /* ---- under publish ---- */
    uint64_t published; /* of those staged */
    slab_ref open;      /* ooo_sample[cap], by time */
    slab_ref list;      /* full_list, in order of arrival */
    uint32_t hists;     /* bit per open sample: it is a histogram */
    uint32_t frozen;    /* so many chunks are being compacted */
    uint32_t
        line; /* the line behind which its frozen chunks are; written under both locks or before it is known */
    uint8_t n, cap; /* of open */
    bool to_mark;   /* its chunks in files are not marked in the log yet (ooo_mmap.h) */
    bool stays;     /* replay: a chunk is missing that the log counts on; what the log has stays */
} ooo_series;

struct ooo_store {
    /* ---- under mu ---- */
    ooo_series **v;
    uint32_t n, cap;
    head_table by_slot;
    /* ---- under publish ---- */
    int64_t min_time, max_time; /* of published samples; INT64_MAX / INT64_MIN while empty */
    int64_t new_min, new_max;   /* of those published since the last drop began */
    uint32_t line;              /* how many were drawn */
    uint64_t
        done_place; /* chunks of chunks_head up to this place (chunks_head_place) were given up */
};

/* The record of a series, made if there is none. Under mu. */
ooo_series *ooo_need(head *h, uint32_t slot);
/* NULL when it has none. Under mu. */
ooo_series *ooo_find(const head *h, uint32_t slot);
void ooo_init(head *h);
/* Forgets all; with the head. */
void ooo_done(head *h);

/* Takes a sample in, a float if hist is NULL; false when its time is there. Under publish. */
bool ooo_insert(head *h, ooo_series *s, int64_t t, double v, const hist_sample *hist);
/* The open samples become chunks. Under publish. */
void ooo_flush(head *h, ooo_series *s);
/* Adds a chunk behind those it has. Under publish. */
void ooo_attach(head *h, ooo_series *s, const full_chunk *c);
/* For replay: gives up what did not come from chunks_head, unless it stays. */
void ooo_forget_logged(head *h, ooo_series *s);
/* For replay: gives up chunks of chunks_head up to this place. */
void ooo_forget_done(head *h, ooo_series *s, uint64_t place);
/* Its chunks, *ret_n of them, valid as the head's lists are. */
const full_chunk *ooo_chunks(const head *h, const ooo_series *s, uint32_t *ret_n);
/* Appends the sample. FER_LIMIT, FER_CORRUPT. */
FER_MUST_CHECK fer_code ooo_sample_read(const head *h, const ooo_sample *x, bool is_hist,
                                        samples *out);
/* Whether it has samples between those times; `frozen`: in chunks that are being compacted. Under publish. */
bool ooo_overlaps(const head *h, const ooo_series *s, int64_t mint, int64_t maxt);
bool ooo_frozen_overlaps(const head *h, const ooo_series *s, int64_t mint, int64_t maxt);

/* Of the published samples of all series; false: there are none. Under publish. */
bool ooo_times(const head *h, int64_t *ret_min, int64_t *ret_max);

/* What is published now is what the next ooo_freeze() freezes. Under both locks. */
void ooo_draw_line(head *h);
/* Freezes what was published before the last line; false when there is nothing. *ret_min, *ret_max: its times. Takes the locks for
 * 256 series at a time. One thread at a time, as all below. */
bool ooo_freeze(head *h, int64_t *ret_min, int64_t *ret_max);
/* Nothing is frozen any more. */
void ooo_thaw(head *h);
/* Gives up what is frozen, and the records that are empty then; returns how many chunks. */
uint64_t ooo_drop_frozen(head *h);

#endif
