/* Any text: parsing ends, and what it accepts prints as text that parses to what prints the same.
 * The first byte chooses the features. Selectors and series descriptions are read as well. */
#include <assert.h>
#include <stdio.h>

#include "promql/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef void print_fn(fer_buf *out, const expr *e);

static bool print_parsed(fer_str text, const promql_features *f, fer_arena *a, print_fn *print,
                         fer_buf *out)
{
    expr *e;
    fer_err err = {0};
    fer_code code = promql_parse(text, f, a, &e, &err);
    assert(code == FER_OK || (err.code == code && err.msg[0] != '\0'));
    if (code != FER_OK)
        return false;
    print(out, e);
    return true;
}

/* U+FFFD is printed as it is and refused in strings: both as Prometheus does. */
static bool has_replacement(fer_str text)
{
    return text.n > 0 && memmem(text.p, text.n, "\xef\xbf\xbd", 3) != NULL;
}

/* `text` was printed from what `want` was printed from, on one line. */
static void assert_same(fer_str text, fer_str want, const promql_features *f, fer_arena *a)
{
    fer_buf again;
    fer_buf_init(&again, 1 << 24, NULL);
    if (!print_parsed(text, f, a, promql_print, &again) || !str_eq(want, fer_buf_str(&again))) {
        fprintf(stderr, "first:  %.*s\ntext:   %.*s\nsecond: %.*s\n", STR_FMT(want), STR_FMT(text),
                STR_FMT(fer_buf_str(&again)));
        assert(!"what is printed parses to what prints the same");
    }
    fer_buf_done(&again);
}

static void round_trip(fer_str text, const promql_features *f, fer_arena *a)
{
    fer_buf first, lines;
    fer_buf_init(&first, 1 << 24, NULL);
    fer_buf_init(&lines, PROMQL_TEXT_BYTES_MAX, NULL);
    if (print_parsed(text, f, a, promql_print, &first) && first.n <= PROMQL_TEXT_BYTES_MAX &&
        !has_replacement(fer_buf_str(&first))) {
        assert_same(fer_buf_str(&first), fer_buf_str(&first), f, a);
        print_parsed(text, f, a, promql_print_lines, &lines);
        if (!lines.full)
            assert_same(fer_buf_str(&lines), fer_buf_str(&first), f, a);
    }
    fer_buf_done(&first);
    fer_buf_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    promql_features f = {
        .experimental_functions = (data[0] & 1) != 0,
        .extended_range_selectors = (data[0] & 2) != 0,
        .fill_modifiers = (data[0] & 4) != 0,
    };
    fer_str text = {(const char *)data + 1, size - 1};
    fer_arena *a = fer_arena_new(NULL, 64 << 20);
    round_trip(text, &f, a);

    matcher *m;
    size_t n;
    fer_err err = {0};
    if (promql_parse_selector(text, a, &m, &n, &err) == FER_OK)
        assert(n > 0);
    labels ls;
    if (promql_parse_metric(text, a, &ls, &err) == FER_OK)
        for (size_t i = 1; i < ls.n; i++)
            assert(str_cmp(ls.l[i - 1].name, ls.l[i].name) < 0);
    fer_arena_free(a);
    return 0;
}
