/* unsnappy.h - blocks of snappy, undone (the block format; frames are another thing).
 *
 * libsnappy does the same and takes more than twice as long over remote-write requests, whose tags come in the same order
 * series after series: it chooses by table what a processor foresees here (docs/performance.md). It
 * remains for all else, and the fuzzer holds the two against each other.
 *
 * Source: format_description.txt of snappy. Threads: pure.
 */
#ifndef FERULA_BASE_UNSNAPPY_H
#define FERULA_BASE_UNSNAPPY_H

#include "base/str.h"

/* Undoes a block into exactly n bytes, n being the length it tells in front (snappy_uncompressed_length()).
 * False when it is damaged; what is in out then means nothing. */
bool unsnappy(fer_str block, char *out, size_t n);

#endif
