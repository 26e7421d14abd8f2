/* inspect_commands.c - names, flags and arguments of `tsdb inspect`. */
#include "cmd/ferulatool/inspect.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define FLAGS(table) .flags = (table), .n_flags = COUNT(table)
#define ARGS(table) .args = (table), .n_args = COUNT(table)
#define JSON                                                                                       \
    {                                                                                              \
        "json", 0, CLI_SWITCH, NULL, "Print one JSON object a line."                               \
    }

static const cli_flag json_flags[] = {JSON};
static const cli_flag series_flags[] = {
    JSON,
    {"limit", 0, CLI_COUNT, "0", "At most so many series; 0 is all."},
    {"match", 0, CLI_TEXT, NULL, "Series selector."},
    {"chunks", 0, CLI_SWITCH, NULL, "Print a line for each chunk, too."},
};
static const cli_flag chunk_flags[] = {
    JSON, {"samples", 0, CLI_SWITCH, NULL, "Print a line for each sample, too."}};
static const cli_flag segment_flags[] = {
    JSON, {"records", 0, CLI_SWITCH, NULL, "Print a line for each record, too."}};
static const cli_flag head_flags[] = {
    JSON,
    {"chunks", 0, CLI_SWITCH, NULL, "Print a line for each chunk, too."},
    {"samples", 0, CLI_SWITCH, NULL, "Print a line for each chunk and each sample, too."},
};

#define BLOCK_DIR                                                                                  \
    {                                                                                              \
        "block dir", true, NULL, "Folder of a block."                                              \
    }

static const cli_arg block_args[] = {BLOCK_DIR};
static const cli_arg postings_args[] = {
    BLOCK_DIR,
    {"label name", false, NULL, "Label whose values to show (default is all names)."},
    {"label value", false, NULL, "Value whose series to show."},
};
static const cli_arg chunk_args[] = {
    BLOCK_DIR, {"chunk ref", true, NULL, "Ref as `tsdb inspect series --chunks` shows it."}};
static const cli_arg wal_args[] = {
    {"wal dir", true, NULL, "A folder of log segments: wal or wbl."}};
static const cli_arg checkpoint_args[] = {
    {"checkpoint dir", true, NULL, "Folder of a checkpoint."}};
static const cli_arg segment_args[] = {{"segment file", true, NULL, "A log segment."}};
static const cli_arg record_args[] = {
    {"segment file", true, NULL, "A log segment."},
    {"offset", true, NULL, "Of the record, as `tsdb inspect segment --records` shows it."},
};
static const cli_arg head_args[] = {{"chunks_head dir", true, NULL, "Folder of head chunks."}};

const cli_command inspect_commands[] = {
    {"tsdb inspect block", "Show what a block holds.", FLAGS(json_flags), ARGS(block_args),
     inspect_block_run},
    {"tsdb inspect meta", "Show a block's meta.json.", FLAGS(json_flags), ARGS(block_args),
     inspect_meta_run},
    {"tsdb inspect index", "Show the sections of a block's index and its label names.",
     FLAGS(json_flags), ARGS(block_args), inspect_index_run},
    {"tsdb inspect series", "Show the series of a block.", FLAGS(series_flags), ARGS(block_args),
     inspect_series_run},
    {"tsdb inspect postings", "Show label names, the values of one, or the series of a pair.",
     FLAGS(json_flags), ARGS(postings_args), inspect_postings_run},
    {"tsdb inspect chunk", "Show a chunk of a block.", FLAGS(chunk_flags), ARGS(chunk_args),
     inspect_chunk_run},
    {"tsdb inspect tombstones", "Show a block's deletions.", FLAGS(json_flags), ARGS(block_args),
     inspect_tombstones_run},
    {"tsdb inspect wal", "Show the segments and checkpoints of a log.", FLAGS(segment_flags),
     ARGS(wal_args), inspect_wal_run},
    {"tsdb inspect checkpoint", "Show the segments of a checkpoint.", FLAGS(segment_flags),
     ARGS(checkpoint_args), inspect_checkpoint_run},
    {"tsdb inspect segment", "Show the records of a log segment.", FLAGS(segment_flags),
     ARGS(segment_args), inspect_segment_run},
    {"tsdb inspect record", "Show what a record of a log segment holds.", FLAGS(json_flags),
     ARGS(record_args), inspect_record_run},
    {"tsdb inspect chunks_head", "Show the files of head chunks.", FLAGS(head_flags),
     ARGS(head_args), inspect_chunks_head_run},
    {.path = NULL},
};
