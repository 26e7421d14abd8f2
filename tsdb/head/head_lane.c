#include "tsdb/head/head_lane.h"

#include <assert.h>
#include <string.h>

void head_split(head *h, head *lane, uint32_t k, uint32_t n)
{
    memset(lane, 0, sizeof *lane);
    lane->log = h->log;
    lane->chunk_range_ms = h->chunk_range_ms;
    lane->min_valid_time = h->min_valid_time;
    lane->files = h->files;
    lane->min_time = INT64_MAX;
    lane->max_time = INT64_MIN;
    lane->readers.next = lane->readers.prev = &lane->readers;
    fer_account_init(&lane->acct, "head lane", &h->acct, 0);
    slab_split(&h->chunks, &lane->chunks, k, n);
    lane->blocks = h->blocks;
    lane->n_slots = h->n_slots;
}

void head_note_slots(const head *h, lane_slots *s)
{
    if (s->blocks.n != h->blocks.n) /* blocks are only added */
        s->blocks = h->blocks;
    s->n = h->n_slots;
}

void head_show_slots(head *lane, const lane_slots *s)
{
    if (lane->blocks.n != s->blocks.n)
        lane->blocks = s->blocks;
    lane->n_slots = s->n;
}

void head_join(head *h, head *lane)
{
    assert(lane->n_retired == 0 && lane->n_left_maps == 0);
    slab_join(&h->chunks, &lane->chunks);
    h->n_chunks += lane->n_chunks;
    h->n_chunks_created += lane->n_chunks_created;
    h->bytes_hist += lane->bytes_hist;
    if (lane->min_time <= lane->max_time)
        head_note_times(h, lane->min_time, lane->max_time);
}
