/* inspect.h - `tsdb inspect ...`: what the files of a data directory hold, also of a live or a damaged one.
 *
 * Read only. Damage is told in a line of its own and reading goes on behind it; then the exit code is 1.
 */
#ifndef FERULA_CMD_FERULATOOL_INSPECT_H
#define FERULA_CMD_FERULATOOL_INSPECT_H

#include "cmd/ferulatool/cli.h"

/* Ended by a path of NULL. */
extern const cli_command inspect_commands[];

/* ---- a block's folder ---- */
int inspect_block_run(const cli_call *c);
int inspect_meta_run(const cli_call *c);
int inspect_index_run(const cli_call *c);
int inspect_series_run(const cli_call *c);
int inspect_postings_run(const cli_call *c);
int inspect_chunk_run(const cli_call *c);
int inspect_tombstones_run(const cli_call *c);

/* ---- logs and head chunks ---- */
int inspect_wal_run(const cli_call *c);
int inspect_checkpoint_run(const cli_call *c);
int inspect_segment_run(const cli_call *c);
int inspect_record_run(const cli_call *c);
int inspect_chunks_head_run(const cli_call *c);

#endif
