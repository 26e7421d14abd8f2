/* cli.h - a command line of commands and sub-commands: promtool's syntax, texts and exit codes.
 *
 * A command is named by words ("tsdb list"); its flags may stand before, between and behind its arguments:
 * --name=value, --name value, --name and --no-name for switches, one-letter flags joined (-rh), -- ends them.
 * Wrong usage is one line "PROGRAM: error: REASON, try --help" and exit code 1, as promtool has it.
 *
 * Threads: one.
 */
#ifndef FERULA_CMD_FERULATOOL_CLI_H
#define FERULA_CMD_FERULATOOL_CLI_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { CLI_FLAGS_MAX = 16, CLI_ARGS_MAX = 8 };

typedef enum cli_kind {
    CLI_SWITCH,
    CLI_TEXT,
    CLI_INT,   /* of 64 bits */
    CLI_COUNT, /* any number, cut to an integer */
    CLI_TEXTS, /* may be repeated */
} cli_kind;

typedef struct cli_flag {
    const char *name;
    char letter; /* 0: none */
    cli_kind kind;
    const char *def; /* as text; NULL: none */
    const char *help;
} cli_flag;

typedef struct cli_arg {
    const char *name;
    bool needed;
    const char *def; /* NULL: none */
    const char *help;
    bool many; /* the last one may be repeated */
} cli_arg;

typedef struct cli_call cli_call;

typedef struct cli_command {
    const char *path; /* words, one blank between them */
    const char *help;
    const cli_flag *flags;
    size_t n_flags;
    const cli_arg *args; /* those needed first */
    size_t n_args;
    int (*run)(const cli_call *c); /* returns the exit code */
} cli_command;

/* What `help` says of a first word, or first words, that are no command yet. */
typedef struct cli_group {
    const char *path;
    const char *help;
} cli_group;

typedef struct cli_program {
    const char *name, *help, *version;
    const cli_group *groups;
    size_t n_groups;
    const cli_command *const *families; /* tables of commands, each ended by a path of NULL */
    size_t n_families;
} cli_program;

/* Parses argv[1..] and runs what it asks for; returns the exit code. Help and version go to standard output,
 * errors to standard error. */
int cli_main(const cli_program *p, int argc, char **argv);

/* What a call gives: flags by name, arguments by position. All texts live as long as the call. */
bool cli_is_set(const cli_call *c, const char *name);      /* CLI_SWITCH */
const char *cli_text(const cli_call *c, const char *name); /* CLI_TEXT; NULL without a default */
int64_t cli_int(const cli_call *c, const char *name);      /* CLI_INT, CLI_COUNT */
const char *const *cli_texts(const cli_call *c, const char *name, size_t *ret_n);
const char *cli_arg_text(const cli_call *c,
                         size_t i); /* NULL when not given and without a default */
/* All from the ith on. */
const char *const *cli_args_from(const cli_call *c, size_t i, size_t *ret_n);

/* ---- for cli_main, and tests ---- */

typedef enum cli_asks { CLI_RUN, CLI_HELP, CLI_VERSION } cli_asks;

/* Parses without running. With CLI_HELP the call tells how far the words went. FER_INVALID with the reason. The call lives in
 * the arena. */
FER_MUST_CHECK fer_code cli_parse(const cli_program *p, int argc, char **argv, fer_arena *a,
                                  cli_asks *ret_asks, cli_call **ret, fer_err *err);
/* The text of --help at that place. */
void cli_help(const cli_program *p, const cli_call *c, fer_buf *out);

#endif
