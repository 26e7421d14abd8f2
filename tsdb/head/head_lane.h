/* head_lane.h - a head filled by several threads at once, while it is read back at start.
 *
 * One thread makes series; the samples of a series are the business of its lane. A lane is a head as far as the calls for samples
 * (head_append(), head_append_hist(), head_attach(), head_merge() and what they need) look: it shares the records of slots, and has
 * chunk memory, counters and times of its own, which head_join() adds to those of the head.
 *
 * Threads: split, show and join on the thread that makes series; a lane between them on any one.
 */
#ifndef FERULA_TSDB_HEAD_LANE_H
#define FERULA_TSDB_HEAD_LANE_H

#include "tsdb/head/head.h"

enum { LANE_SLOTS = 256 }; /* in a row that go to one lane */

/* Which of n lanes a slot goes to. */
static inline uint32_t head_lane_of(uint32_t slot, uint32_t n)
{
    return slot / LANE_SLOTS % n;
}

/* Slots as they are at a time. */
typedef struct lane_slots {
    blockdir blocks;
    uint32_t n;
} lane_slots;

/* Makes lane k of n. Nobody reads the head, and its own samples stay as they are until all lanes are joined. */
void head_split(head *h, head *lane, uint32_t k, uint32_t n);
/* Notes the slots there are; all zero at first. On the thread that makes series. */
void head_note_slots(const head *h, lane_slots *s);
/* Shows them to the lane. On the lane's thread. */
void head_show_slots(head *lane, const lane_slots *s);
/* Moves what the lane holds to the head. */
void head_join(head *h, head *lane);

#endif
