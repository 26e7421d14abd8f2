/* tsdb_commands.c - names, flags and arguments of the commands on data directories. */
#include "cmd/ferulatool/tsdb_commands.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define FLAGS(table) .flags = (table), .n_flags = COUNT(table)
#define ARGS(table) .args = (table), .n_args = COUNT(table)

static const cli_flag list_flags[] = {
    {"human-readable", 'r', CLI_SWITCH, NULL, "Print human readable values."},
};

static const cli_flag dump_flags[] = {
    {"sandbox-dir-root", 0, CLI_TEXT, NULL,
     "Accepted for promtool's sake: no sandbox is needed, nothing is written."},
    {"min-time", 0, CLI_INT, "-9223372036854775808",
     "Minimum timestamp to dump, in milliseconds since the Unix epoch."},
    {"max-time", 0, CLI_INT, "9223372036854775807",
     "Maximum timestamp to dump, in milliseconds since the Unix epoch."},
    {"match", 0, CLI_TEXTS, "{__name__=~'(?s:.*)'}",
     "Series selector. Can be specified multiple times."},
};

static const cli_flag analyze_flags[] = {
    {"limit", 0, CLI_COUNT, "20", "How many items to show in each list."},
    {"extended", 0, CLI_SWITCH, NULL, "Run extended analysis."},
    {"match", 0, CLI_TEXT, NULL,
     "Series selector to analyze. Only 1 set of matchers is supported now."},
};

#define DB_PATH                                                                                    \
    {                                                                                              \
        "db path", false, "data/", "Database path"                                                 \
    }

static const cli_arg db_args[] = {DB_PATH};
static const cli_arg analyze_args[] = {
    DB_PATH, {"block id", false, NULL, "Block to analyze (default is the last block)."}};

static const cli_arg verify_args[] = {
    DB_PATH, {"block id", false, NULL, "Block to verify (default is all there is)."}};

const cli_command tsdb_commands[] = {
    {"tsdb analyze", "Analyze churn, label pair cardinality and compaction efficiency.",
     FLAGS(analyze_flags), ARGS(analyze_args), tsdb_analyze_run},
    {"tsdb list", "List tsdb blocks.", FLAGS(list_flags), ARGS(db_args), tsdb_list_run},
    {"tsdb dump", "Dump samples from a TSDB.", FLAGS(dump_flags), ARGS(db_args), tsdb_dump_run},
    {"tsdb dump-openmetrics",
     "[Experimental] Dump samples from a TSDB into OpenMetrics text format, excluding native "
     "histograms, "
     "which are not representable in OpenMetrics.",
     FLAGS(dump_flags), ARGS(db_args), tsdb_dump_openmetrics_run},
    {"tsdb verify",
     "Check every checksum and invariant of blocks, logs and head chunks; exit code 1 when one "
     "does not hold.",
     ARGS(verify_args), .run = tsdb_verify_run},
    {.path = NULL},
};
