/* check_commands.h - commands that check files of configuration. */
#ifndef FERULA_CMD_FERULATOOL_CHECK_COMMANDS_H
#define FERULA_CMD_FERULATOOL_CHECK_COMMANDS_H

#include "cmd/ferulatool/cli.h"

/* Ended by a path of NULL. */
extern const cli_command check_commands[];

#endif
