/* cli_help.c - the text of --help, in 80 columns. */
#include <stdio.h>

#include "cmd/ferulatool/cli_int.h"

enum { WIDTH = 80, INDENT = 2, GAP = 2, LEFT_MAX = 30, TEXT_MAX = 256 };

typedef struct row {
    fer_str left;
    const char *right;
} row;

static void blanks(fer_buf *out, size_t n)
{
    while (n-- != 0)
        fer_buf_putc(out, ' ');
}

/* Breaks the text at blanks; lines but the first begin with `indent` blanks. */
static void wrap(fer_buf *out, fer_str text, size_t indent)
{
    size_t room = WIDTH - indent, used = 0;
    while (text.n != 0) {
        const char *blank = memchr(text.p, ' ', text.n);
        fer_str word = str_head(text, blank == NULL ? text.n : (size_t)(blank - text.p));
        text = str_from(text, word.n + 1);
        if (used != 0 && used + 1 + word.n > room) {
            fer_buf_putc(out, '\n');
            blanks(out, indent);
            used = 0;
        }
        if (used != 0) {
            fer_buf_putc(out, ' ');
            used++;
        }
        fer_buf_puts(out, word);
        used += word.n;
    }
    fer_buf_putc(out, '\n');
}

/* Two columns; a left side that is too wide has a line of its own. */
static void columns(fer_buf *out, const row *rows, size_t n)
{
    size_t wide = 0;
    for (size_t i = 0; i < n; i++)
        if (rows[i].left.n > wide && rows[i].left.n < LEFT_MAX)
            wide = rows[i].left.n;
    for (size_t i = 0; i < n; i++) {
        blanks(out, INDENT);
        fer_buf_puts(out, rows[i].left);
        if (rows[i].left.n >= LEFT_MAX) {
            fer_buf_putc(out, '\n');
            blanks(out, INDENT + wide + GAP);
        } else {
            blanks(out, wide - rows[i].left.n + GAP);
        }
        wrap(out, str_of(rows[i].right), INDENT + wide + GAP);
    }
}

/* --min-time=0 ... ; a flag without a default shows its name in capitals. */
static fer_str flag_text(fer_arena *a, const cli_flag *f)
{
    char letter[8] = "    ", value[TEXT_MAX] = "";
    if (f->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", f->letter);
    if (f->kind == CLI_SWITCH)
        return fer_arena_printf(a, "%s--[no-]%s", letter, f->name);
    snprintf(value, sizeof value, "%s", f->def != NULL ? f->def : f->name);
    if (f->def == NULL)
        for (char *p = value; *p != '\0'; p++)
            if (*p >= 'a' && *p <= 'z')
                *p = (char)(*p - 'a' + 'A');
    return fer_arena_printf(a, "%s--%s=%s%s", letter, f->name, value,
                            f->kind == CLI_TEXTS ? " ..." : "");
}

static fer_str arg_text(fer_arena *a, const cli_arg *arg)
{
    return fer_arena_printf(a, arg->needed ? "<%s>%s" : "[<%s>%s]", arg->name,
                            arg->many ? "..." : "");
}

static void command_line(fer_buf *out, fer_arena *a, const cli_command *c)
{
    fer_buf_puts(out, str_of(c->path));
    if (c->n_flags != 0)
        fer_buf_puts(out, STR(" [<flags>]"));
    for (size_t i = 0; i < c->n_args; i++) {
        fer_buf_putc(out, ' ');
        fer_buf_puts(out, arg_text(a, &c->args[i]));
    }
}

static void flags(fer_buf *out, fer_arena *a, const cli_command *c)
{
    row rows[CLI_FLAGS_MAX + 2] = {
        {STR("-h, --[no-]help"), "Show context-sensitive help (also try --help-long)."},
        {STR("    --[no-]version"), "Show application version."},
    };
    size_t n = 2;
    for (size_t i = 0; c != NULL && i < c->n_flags; i++)
        rows[n++] = (row){flag_text(a, &c->flags[i]), c->flags[i].help};
    fer_buf_puts(out, STR("\n\nFlags:\n"));
    columns(out, rows, n);
}

static void args(fer_buf *out, fer_arena *a, const cli_command *c)
{
    row rows[CLI_ARGS_MAX];
    for (size_t i = 0; i < c->n_args; i++) {
        const cli_arg *arg = &c->args[i];
        const char *help = arg->help;
        if (arg->def != NULL)
            help = fer_arena_printf(a, "%s (default is %s).", help, arg->def).p;
        rows[i] = (row){arg_text(a, arg), help};
    }
    if (c->n_args != 0) {
        fer_buf_puts(out, STR("\nArgs:\n"));
        columns(out, rows, c->n_args);
    }
}

static void commands(fer_buf *out, fer_arena *a, const cli_program *p, fer_str words)
{
    fer_buf_puts(out, words.n == 0 ? STR("\nCommands:\n") : STR("\nSubcommands:\n"));
    if (words.n == 0)
        fer_buf_puts(out, STR("help [<command>...]\n    Show help.\n\n"));
    CLI_EACH_COMMAND(p, c)
    {
        if (!cli_words_lead_to(words, c->path))
            continue;
        command_line(out, a, c);
        fer_buf_puts(out, STR("\n    "));
        wrap(out, str_of(c->help), 4);
        fer_buf_putc(out, '\n');
    }
}

static const char *help_of_group(const cli_program *p, fer_str words)
{
    for (size_t i = 0; i < p->n_groups; i++)
        if (str_eq(words, str_of(p->groups[i].path)))
            return p->groups[i].help;
    return p->help;
}

void cli_help(const cli_program *p, const cli_call *call, fer_buf *out)
{
    const cli_command *c = call->command;
    fer_buf_printf(out, "usage: %s ", p->name);
    if (c != NULL)
        command_line(out, call->a, c);
    else if (call->words.n != 0)
        fer_buf_printf(out, "%.*s <command> [<args> ...]", STR_FMT(call->words));
    else
        fer_buf_puts(out, STR("[<flags>] <command> [<args> ...]"));
    fer_buf_puts(out, STR("\n\n"));
    wrap(out, str_of(c != NULL ? c->help : help_of_group(p, call->words)), 0);
    flags(out, call->a, c);
    if (c != NULL)
        args(out, call->a, c);
    else
        commands(out, call->a, p, call->words);
}
