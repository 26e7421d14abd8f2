#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/ferulatool/cli_int.h"

static int not_run(const cli_call *c)
{
    (void)c;
    fail_msg("no command is to run");
    return 0;
}

static const cli_flag all_flags[] = {
    {"human", 'r', CLI_SWITCH, NULL, "Print for people."},
    {"limit", 'l', CLI_COUNT, "20", "How many."},
    {"min-time", 0, CLI_INT, "-5", "From when on."},
    {"match", 0, CLI_TEXTS, "{a=~'b'}", "Which."},
    {"name", 0, CLI_TEXT, NULL,
     "A name so long that its help has to begin in a line of its own or it would not "
     "fit beside it."},
};
static const cli_arg all_args[] = {
    {"block", true, NULL, "Which block."},
    {"db path", false, "data/", "Database path"},
};
static const cli_command commands[] = {
    {"tsdb show all", "Shows all.", all_flags, 5, all_args, 2, not_run},
    {"tsdb list", "Lists.", NULL, 0, all_args + 1, 1, not_run},
    {.path = NULL},
};
static const cli_command *const families[] = {commands};
static const cli_group groups[] = {{"tsdb", "Run tsdb commands."}};
static const cli_program program = {"tool", "A tool.", "1.2", groups, 1, families, 1};

enum { WORDS_MAX = 16 };

typedef struct parsed {
    fer_arena *a;
    fer_code code;
    cli_asks asks;
    cli_call *call;
    fer_err err;
} parsed;

/* Words with one blank between them. */
static parsed parse(const char *line)
{
    parsed p = {.a = fer_arena_new(NULL, 0)};
    char *argv[WORDS_MAX] = {"tool"};
    int argc = 1;
    for (fer_str s = str_of(line); s.n != 0; argc++) {
        const char *blank = memchr(s.p, ' ', s.n);
        fer_str word = str_head(s, blank == NULL ? s.n : (size_t)(blank - s.p));
        argv[argc] = (char *)fer_arena_dup(p.a, word).p;
        s = str_from(s, word.n + 1);
    }
    p.code = cli_parse(&program, argc, argv, p.a, &p.asks, &p.call, &p.err);
    return p;
}

static void done(parsed *p)
{
    fer_arena_free(p->a);
}

static void flags_and_arguments_may_mix(void **state)
{
    (void)state;
    parsed p = parse("tsdb show all -rl7.9 one --match=x --min-time 12 two --match y --no-help-me");
    assert_int_equal(p.code, FER_INVALID);
    assert_string_equal(p.err.msg, "unknown long flag '--no-help-me'");
    done(&p);

    p = parse("tsdb show all -rl7.9 one --match=x --min-time 12 two --match y");
    assert_int_equal(p.code, FER_OK);
    assert_int_equal(p.asks, CLI_RUN);
    assert_string_equal(p.call->command->path, "tsdb show all");
    assert_true(cli_is_set(p.call, "human"));
    assert_int_equal(cli_int(p.call, "limit"), 7);
    assert_int_equal(cli_int(p.call, "min-time"), 12);
    size_t n;
    const char *const *match = cli_texts(p.call, "match", &n);
    assert_int_equal(n, 2);
    assert_string_equal(match[0], "x");
    assert_string_equal(match[1], "y");
    assert_null(cli_text(p.call, "name"));
    assert_string_equal(cli_arg_text(p.call, 0), "one");
    assert_string_equal(cli_arg_text(p.call, 1), "two");
    done(&p);
}

static void defaults_fill_what_is_not_given(void **state)
{
    (void)state;
    parsed p = parse("tsdb show all b --no-human");
    assert_int_equal(p.code, FER_OK);
    assert_false(cli_is_set(p.call, "human"));
    assert_int_equal(cli_int(p.call, "limit"), 20);
    assert_int_equal(cli_int(p.call, "min-time"), -5);
    size_t n;
    assert_string_equal(cli_texts(p.call, "match", &n)[0], "{a=~'b'}");
    assert_int_equal(n, 1);
    assert_string_equal(cli_arg_text(p.call, 1), "data/");
    done(&p);
}

static void behind_two_dashes_all_are_arguments(void **state)
{
    (void)state;
    parsed p = parse("tsdb list -- -r");
    assert_int_equal(p.code, FER_OK);
    assert_string_equal(cli_arg_text(p.call, 0), "-r");
    done(&p);
}

static void wrong_usage_has_promtools_words(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"tsdb", "must select a subcommand of 'tsdb'"},
        {"tsdb show", "must select a subcommand of 'tsdb show'"},
        {"tsdb lst", "expected command but got \"lst\""},
        {"lst", "expected command but got \"lst\""},
        {"help lst", "expected command but got \"lst\""},
        {"tsdb list a b", "unexpected b"},
        {"tsdb list -x", "unknown short flag '-x'"},
        {"tsdb list --human", "unknown long flag '--human'"},
        {"--human tsdb show all", "unknown long flag '--human'"},
        {"tsdb show all", "required argument 'block' not provided"},
        {"tsdb show all a --human --human", "flag 'human' cannot be repeated"},
        {"tsdb show all a --human=true", "unexpected true"},
        {"tsdb show all a --min-time", "expected argument for flag '--min-time'"},
        {"tsdb show all a --min-time -3", "expected argument for flag '--min-time'"},
        {"tsdb show all a -l", "expected argument for flag '-l'"},
        {"tsdb show all a --min-time=1.5", "strconv.ParseInt: parsing \"1.5\": invalid syntax"},
        {"tsdb show all a --min-time=9223372036854775808",
         "strconv.ParseInt: parsing \"9223372036854775808\": value out of range"},
        {"tsdb show all a --limit=x", "strconv.ParseFloat: parsing \"x\": invalid syntax"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse(cases[i][0]);
        assert_int_equal(p.code, FER_INVALID);
        assert_string_equal(p.err.msg, cases[i][1]);
        done(&p);
    }
}

static void help_is_asked_for_anywhere(void **state)
{
    (void)state;
    static const char *const lines[] = {"tsdb list --help", "tsdb list x -h", "help tsdb list",
                                        "--help tsdb list"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        parsed p = parse(lines[i]);
        assert_int_equal(p.code, FER_OK);
        assert_int_equal(p.asks, CLI_HELP);
        assert_string_equal(p.call->command->path, "tsdb list");
        done(&p);
    }
    parsed p = parse("");
    assert_int_equal(p.asks, CLI_HELP);
    done(&p);
    p = parse("tsdb list --version");
    assert_int_equal(p.asks, CLI_VERSION);
    done(&p);
}

static void assert_help(const char *line, const char *text)
{
    parsed p = parse(line);
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    cli_help(&program, p.call, &out);
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p, text);
    fer_buf_done(&out);
    done(&p);
}

static void help_names_commands_flags_and_arguments(void **state)
{
    (void)state;
    assert_help("tsdb show all --help",
                "usage: tool tsdb show all [<flags>] <block> [<db path>]\n"
                "\n"
                "Shows all.\n"
                "\n\n"
                "Flags:\n"
                "  -h, --[no-]help           Show context-sensitive help (also try --help-long).\n"
                "      --[no-]version        Show application version.\n"
                "  -r, --[no-]human          Print for people.\n"
                "  -l, --limit=20            How many.\n"
                "      --min-time=-5         From when on.\n"
                "      --match={a=~'b'} ...  Which.\n"
                "      --name=NAME           A name so long that its help has to begin in a line\n"
                "                            of its own or it would not fit beside it.\n"
                "\n"
                "Args:\n"
                "  <block>      Which block.\n"
                "  [<db path>]  Database path (default is data/).\n");
    assert_help("help tsdb",
                "usage: tool tsdb <command> [<args> ...]\n"
                "\n"
                "Run tsdb commands.\n"
                "\n\n"
                "Flags:\n"
                "  -h, --[no-]help     Show context-sensitive help (also try --help-long).\n"
                "      --[no-]version  Show application version.\n"
                "\n"
                "Subcommands:\n"
                "tsdb show all [<flags>] <block> [<db path>]\n"
                "    Shows all.\n"
                "\n"
                "tsdb list [<db path>]\n"
                "    Lists.\n"
                "\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_arguments_may_mix),
        cmocka_unit_test(defaults_fill_what_is_not_given),
        cmocka_unit_test(behind_two_dashes_all_are_arguments),
        cmocka_unit_test(wrong_usage_has_promtools_words),
        cmocka_unit_test(help_is_asked_for_anywhere),
        cmocka_unit_test(help_names_commands_flags_and_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
