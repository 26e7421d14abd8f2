/* cli_int.h - a parsed command line, for cli.c and cli_help.c. */
#ifndef FERULA_CMD_FERULATOOL_CLI_INT_H
#define FERULA_CMD_FERULATOOL_CLI_INT_H

#include "cmd/ferulatool/cli.h"

typedef struct cli_value {
    const char **texts;
    size_t n, cap;
} cli_value;

struct cli_call {
    fer_arena *a;
    const cli_command *command; /* NULL while the words name none */
    fer_str words;              /* so far, as in a path */
    cli_value flags[CLI_FLAGS_MAX];
    const char **args; /* in the arena */
    size_t n_args, args_cap;
};

/* Whether words are the first words of the path, or all of them. */
bool cli_words_lead_to(fer_str words, const char *path);

#define CLI_EACH_COMMAND(p, c)                                                                     \
    for (size_t f_ = 0; f_ < (p)->n_families; f_++)                                                \
        for (const cli_command *c = (p)->families[f_]; c->path != NULL; c++)

#endif
