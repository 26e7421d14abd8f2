/* truncate.c */
#include "tsdb/maintenance/truncate.h"

void tsdb_truncate_head(tsdb *db, int64_t mint, head_truncation *ret)
{
    head_truncate(&db->h, mint, ret);
    LOGI(db->o.log, "The head was truncated", "mint", LOG_INT(mint), "series_removed",
         LOG_INT(ret->series_removed), "chunks_removed", LOG_INT(ret->chunks_removed));
}

static fer_code write_checkpoint(tsdb *db, uint64_t last, int64_t mint, checkpoint_stats *stats,
                                 fer_err *err)
{
    ref_set keep;
    ref_set_init(&keep, &db->h.acct);
    /* A range of which all was deleted has no block, and chunks_head and whole records may still have its samples. */
    int64_t end = block_set_end(&db->blocks);
    head_kept_refs(&db->h, last, mint, &keep);
    checkpoint_request req = {
        .fs = db->o.fs,
        .wal_dir = db->wal_dir,
        .last = last,
        .mint = mint,
        .stones_mint = end < mint ? end : mint,
        .keep = &keep,
        .wal = {.segment_bytes = db->o.wal_segment_bytes, .clock = db->o.clock},
        .acct = &db->h.acct,
        .log = db->o.log,
    };
    fer_code code = checkpoint_write(&req, stats, err);
    ref_set_done(&keep);
    return code;
}

fer_code tsdb_truncate_wal(tsdb *db, int64_t mint, wal_truncation *ret, fer_err *err)
{
    *ret = (wal_truncation){0};
    committer_cut(&db->c);
    FER_TRY(checkpoint_tidy(db->o.fs, db->wal_dir, NULL, err));
    FER_TRY(checkpoint_choose(db->o.fs, db->wal_dir, &ret->checkpoint, &ret->done, err));
    if (!ret->done)
        return FER_OK;
    FER_TRY(write_checkpoint(db, ret->checkpoint, mint, &ret->kept, err));
    head_forget_gone(&db->h, ret->checkpoint, mint);
    FER_TRY(checkpoint_tidy(db->o.fs, db->wal_dir, &ret->segments_removed, err));
    LOGI(db->o.log, "The log has a new checkpoint", "checkpoint", LOG_INT(ret->checkpoint),
         "series_kept", LOG_INT(ret->kept.series_kept), "series_dropped",
         LOG_INT(ret->kept.series_dropped), "samples_kept", LOG_INT(ret->kept.samples_kept),
         "samples_dropped", LOG_INT(ret->kept.samples_dropped), "segments_removed",
         LOG_INT(ret->segments_removed));
    return FER_OK;
}
