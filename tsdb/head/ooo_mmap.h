/* ooo_mmap.h - chunks of samples out of order leave memory for chunks_head, marked there as such.
 *
 * Of a series that has a chunk in memory the open samples become a chunk, too, and all go: then a marker can say that the log
 * need not tell them again (docs/formats/wal.md, wbl). A series of which a sample is on its way gets no
 * marker; what is then there twice at the next start is read once.
 * Threads: as head_mmap.h.
 */
#ifndef FERULA_TSDB_OOO_MMAP_H
#define FERULA_TSDB_OOO_MMAP_H

#include "tsdb/head/ooo_series.h"

/* Takes markers; under both locks of the head. */
typedef struct ooo_marks {
    void *arg;
    /* What the log has of the series so far is in the chunks marked; place as chunks_head_place(). */
    void (*mark)(void *arg, uint64_t ref, uint64_t place);
    /* Behind those of up to 256 series. */
    void (*end)(void *arg);
} ooo_marks;

FER_MUST_CHECK fer_code ooo_mmap_chunks(head *h, const ooo_marks *marks, fer_err *err);

#endif
