/* tsdb_commands.h - the commands on data directories; each takes its call and returns the exit code.
 *
 * All read only: no lock, no file made, changed or removed (docs/ferulatool.md).
 */
#ifndef FERULA_CMD_FERULATOOL_TSDB_COMMANDS_H
#define FERULA_CMD_FERULATOOL_TSDB_COMMANDS_H

#include "cmd/ferulatool/cli.h"

/* Ended by a path of NULL. */
extern const cli_command tsdb_commands[];

int tsdb_list_run(const cli_call *c);
int tsdb_dump_run(const cli_call *c);
int tsdb_dump_openmetrics_run(const cli_call *c);
int tsdb_analyze_run(const cli_call *c);
int tsdb_verify_run(const cli_call *c);

#endif
