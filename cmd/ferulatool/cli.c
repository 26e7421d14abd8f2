/* cli.c - words and flags into a call. */
#include "cmd/ferulatool/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "cmd/ferulatool/cli_int.h"

enum { EXIT_WRONG_USAGE = 1, HELP_BYTES_MAX = 1 << 20 };

typedef struct parser {
    const cli_program *p;
    cli_call *call;
    char **rest; /* arguments to come */
    int n_rest;
    bool only_args; /* behind -- */
    bool help, version;
    fer_err *err;
} parser;

/* ---- words ---- */

bool cli_words_lead_to(fer_str words, const char *path)
{
    fer_str s = str_of(path);
    return words.n == 0 || (str_has_prefix(s, words) && (s.n == words.n || s.p[words.n] == ' '));
}

static bool leads_anywhere(const cli_program *p, fer_str words)
{
    CLI_EACH_COMMAND(p, c)
    if (cli_words_lead_to(words, c->path))
        return true;
    return false;
}

static const cli_command *find_command(const cli_program *p, fer_str words)
{
    CLI_EACH_COMMAND(p, c)
    if (str_eq(words, str_of(c->path)))
        return c;
    return NULL;
}

static fer_code take_word(parser *s, const char *word)
{
    cli_call *c = s->call;
    fer_str words = c->words.n == 0 ? fer_arena_dup(c->a, str_of(word))
                                    : fer_arena_printf(c->a, "%s %s", c->words.p, word);
    if (!leads_anywhere(s->p, words))
        return fer_fail(s->err, FER_INVALID, "expected command but got \"%s\"", word);
    c->words = words;
    c->command = find_command(s->p, words);
    return FER_OK;
}

static fer_code take_arg(parser *s, const char *text)
{
    cli_call *c = s->call;
    if (c->command == NULL) {
        if (c->words.n == 0 && str_eq(str_of(text), STR("help")) && !s->help) {
            s->help = true;
            return FER_OK;
        }
        return take_word(s, text);
    }
    size_t n = c->command->n_args;
    if (c->n_args >= n && (n == 0 || !c->command->args[n - 1].many))
        return fer_fail(s->err, FER_INVALID, "unexpected %s", text);
    if (c->n_args == c->args_cap) {
        size_t cap = c->args_cap == 0 ? CLI_ARGS_MAX : 2 * c->args_cap;
        c->args =
            fer_arena_grow(c->a, c->args, c->args_cap * sizeof *c->args, cap * sizeof *c->args);
        c->args_cap = cap;
    }
    c->args[c->n_args++] = text;
    return FER_OK;
}

/* ---- flags ---- */

static void add_text(cli_call *c, cli_value *v, const char *text)
{
    if (v->n == v->cap) {
        size_t cap = v->cap == 0 ? 4 : v->cap * 2;
        v->texts =
            fer_arena_grow(c->a, v->texts, v->cap * sizeof *v->texts, cap * sizeof *v->texts);
        v->cap = cap;
    }
    v->texts[v->n++] = text;
}

static fer_code set_flag(parser *s, size_t i, const char *text)
{
    const cli_flag *f = &s->call->command->flags[i];
    cli_value *v = &s->call->flags[i];
    if (v->n != 0 && f->kind != CLI_TEXTS)
        return fer_fail(s->err, FER_INVALID, "flag '%s' cannot be repeated", f->name);
    add_text(s->call, v, text);
    return FER_OK;
}

static bool find_flag(const cli_call *c, fer_str name, size_t *ret)
{
    for (size_t i = 0; c->command != NULL && i < c->command->n_flags; i++)
        if (str_eq(name, str_of(c->command->flags[i].name))) {
            *ret = i;
            return true;
        }
    return false;
}

static bool find_letter(const cli_call *c, char letter, size_t *ret)
{
    for (size_t i = 0; c->command != NULL && i < c->command->n_flags; i++)
        if (c->command->flags[i].letter == letter) {
            *ret = i;
            return true;
        }
    return false;
}

/* The argument behind a flag; one that begins with - is no value. */
static const char *next_value(parser *s)
{
    if (s->n_rest == 0 || (s->rest[0][0] == '-' && s->rest[0][1] != '\0'))
        return NULL;
    s->n_rest--;
    return *s->rest++;
}

static fer_code take_long(parser *s, const char *arg)
{
    fer_str name = str_of(arg + 2);
    const char *eq = strchr(arg + 2, '=');
    if (eq != NULL)
        name.n = (size_t)(eq - name.p);
    if (eq == NULL && (str_eq(name, STR("help")) || str_eq(name, STR("help-long")))) {
        s->help = true;
        return FER_OK;
    }
    if (eq == NULL && str_eq(name, STR("version"))) {
        s->version = true;
        return FER_OK;
    }
    size_t i;
    if (find_flag(s->call, name, &i)) {
        if (s->call->command->flags[i].kind == CLI_SWITCH)
            return eq == NULL ? set_flag(s, i, "true")
                              : fer_fail(s->err, FER_INVALID, "unexpected %s", eq + 1);
        const char *text = eq != NULL ? eq + 1 : next_value(s);
        if (text == NULL)
            return fer_fail(s->err, FER_INVALID, "expected argument for flag '--%.*s'",
                            STR_FMT(name));
        return set_flag(s, i, text);
    }
    if (eq == NULL && str_has_prefix(name, STR("no-")) &&
        find_flag(s->call, str_from(name, 3), &i) && s->call->command->flags[i].kind == CLI_SWITCH)
        return set_flag(s, i, "false");
    return fer_fail(s->err, FER_INVALID, "unknown long flag '--%.*s'", STR_FMT(name));
}

static fer_code take_letters(parser *s, const char *letters)
{
    for (size_t i; *letters != '\0'; letters++) {
        if (*letters == 'h') {
            s->help = true;
        } else if (!find_letter(s->call, *letters, &i)) {
            return fer_fail(s->err, FER_INVALID, "unknown short flag '-%c'", *letters);
        } else if (s->call->command->flags[i].kind == CLI_SWITCH) {
            FER_TRY(set_flag(s, i, "true"));
        } else {
            const char *text = letters[1] != '\0' ? letters + 1 : next_value(s);
            if (text == NULL)
                return fer_fail(s->err, FER_INVALID, "expected argument for flag '-%c'", *letters);
            return set_flag(s, i, text);
        }
    }
    return FER_OK;
}

static fer_code take(parser *s, const char *arg)
{
    if (s->only_args || arg[0] != '-' || arg[1] == '\0')
        return take_arg(s, arg);
    if (arg[1] != '-')
        return take_letters(s, arg + 1);
    if (arg[2] != '\0')
        return take_long(s, arg);
    s->only_args = true;
    return FER_OK;
}

/* ---- values ---- */

static fer_code check_number(const cli_flag *f, const char *text, fer_err *err)
{
    int64_t i;
    double d;
    if (f->kind == CLI_COUNT) {
        if (!num_parse_f64(str_of(text), &d) || !(d > -1e18 && d < 1e18))
            return fer_fail(err, FER_INVALID, "strconv.ParseFloat: parsing \"%s\": invalid syntax",
                            text);
        return FER_OK;
    }
    if (num_parse_i64(str_of(text), &i))
        return FER_OK;
    size_t digits = strspn(text + (text[0] == '-' || text[0] == '+'), "0123456789");
    bool is_number = digits != 0 && text[digits + (text[0] == '-' || text[0] == '+')] == '\0';
    return fer_fail(err, FER_INVALID, "strconv.ParseInt: parsing \"%s\": %s", text,
                    is_number ? "value out of range" : "invalid syntax");
}

static fer_code check_values(const cli_call *c, fer_err *err)
{
    for (size_t i = 0; i < c->command->n_flags; i++) {
        const cli_flag *f = &c->command->flags[i];
        if ((f->kind == CLI_INT || f->kind == CLI_COUNT) && c->flags[i].n != 0)
            FER_TRY(check_number(f, c->flags[i].texts[0], err));
    }
    return FER_OK;
}

static fer_code check_complete(const parser *s)
{
    const cli_call *c = s->call;
    if (c->command == NULL && c->words.n == 0)
        return fer_fail(s->err, FER_INVALID, "command not specified");
    if (c->command == NULL)
        return fer_fail(s->err, FER_INVALID, "must select a subcommand of '%s'", c->words.p);
    if (c->n_args < c->command->n_args && c->command->args[c->n_args].needed)
        return fer_fail(s->err, FER_INVALID, "required argument '%s' not provided",
                        c->command->args[c->n_args].name);
    return check_values(c, s->err);
}

fer_code cli_parse(const cli_program *p, int argc, char **argv, fer_arena *a, cli_asks *ret_asks,
                   cli_call **ret, fer_err *err)
{
    parser s = {.p = p, .call = ARENA_NEW(a, cli_call), .rest = argv, .n_rest = argc, .err = err};
    s.call->a = a;
    if (s.n_rest != 0) { /* the program's own name */
        s.rest++;
        s.n_rest--;
    }
    if (s.n_rest == 0)
        s.help = true;
    while (s.n_rest != 0) {
        s.n_rest--;
        FER_TRY(take(&s, *s.rest++));
    }
    if (s.version) {
        *ret_asks = CLI_VERSION;
    } else if (s.help) {
        *ret_asks = CLI_HELP;
    } else {
        FER_TRY(check_complete(&s));
        *ret_asks = CLI_RUN;
    }
    *ret = s.call;
    return FER_OK;
}

/* ---- asking a call ---- */

static const cli_value *value_of(const cli_call *c, const char *name, const cli_flag **ret_flag)
{
    size_t i = 0;
    bool found = find_flag(c, str_of(name), &i);
    assert(found); /* commands ask for flags of their own table */
    (void)found;
    *ret_flag = &c->command->flags[i];
    return &c->flags[i];
}

const char *cli_text(const cli_call *c, const char *name)
{
    const cli_flag *f;
    const cli_value *v = value_of(c, name, &f);
    return v->n != 0 ? v->texts[0] : f->def;
}

bool cli_is_set(const cli_call *c, const char *name)
{
    const char *text = cli_text(c, name);
    return text != NULL && str_eq(str_of(text), STR("true"));
}

int64_t cli_int(const cli_call *c, const char *name)
{
    const char *text = cli_text(c, name);
    int64_t i = 0;
    double d = 0;
    if (text == NULL || num_parse_i64(str_of(text), &i))
        return i;
    return num_parse_f64(str_of(text), &d) ? (int64_t)d : 0;
}

const char *const *cli_texts(const cli_call *c, const char *name, size_t *ret_n)
{
    const cli_flag *f;
    const cli_value *v = value_of(c, name, &f);
    if (v->n == 0 && f->def != NULL) {
        *ret_n = 1;
        return &f->def;
    }
    *ret_n = v->n;
    return v->texts;
}

const char *cli_arg_text(const cli_call *c, size_t i)
{
    return i < c->n_args ? c->args[i] : c->command->args[i].def;
}

const char *const *cli_args_from(const cli_call *c, size_t i, size_t *ret_n)
{
    *ret_n = i < c->n_args ? c->n_args - i : 0;
    return *ret_n == 0 ? NULL : c->args + i;
}

/* ---- running ---- */

static int print_help(const cli_program *p, const cli_call *c)
{
    fer_buf text;
    fer_buf_init(&text, HELP_BYTES_MAX, NULL);
    cli_help(p, c, &text);
    bool whole = fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0;
    fer_buf_done(&text);
    return whole ? 0 : EXIT_FAILURE;
}

int cli_main(const cli_program *p, int argc, char **argv)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    cli_call *call;
    cli_asks asks;
    fer_err err = {0};
    if (cli_parse(p, argc, argv, a, &asks, &call, &err) != FER_OK) {
        fprintf(stderr, "%s: error: %s, try --help\n", p->name, err.msg);
        return EXIT_WRONG_USAGE;
    }
    if (asks == CLI_VERSION) {
        printf("%s, version %s\n", p->name, p->version);
        return 0;
    }
    return asks == CLI_HELP ? print_help(p, call) : call->command->run(call);
}
