/* promqltest - runs test scripts and prints a score for each.
 *
 *    promqltest [-v] [--threads N] [--floor FILE] FILE|DIR...
 *
 * With --threads each query, however small, may borrow so many (promql_helpers).
 * Exit 0: nothing failed. With --floor the file lists `NAME PASSED` lines; then a script may fail
 * evals but must pass as many as its line says (0 without a line). Exit 2: bad usage.
 */
#include <stdio.h>

#include "base/num.h"
#include "base/vfs.h"
#include "promql/helpers_testing.h"
#include "promql/promqltest/promqltest.h"
#include "tsdb/querier.h"

enum { SCRIPT_BYTES_MAX = 16 * 1024 * 1024, THREADS_MAX = 64, EXIT_USAGE = 2 };

typedef struct program {
    bool verbose, has_floor;
    fer_str floor; /* text of the floor file */
    fer_arena *arena;
    str_list files;
    testing_helpers *helpers; /* NULL: none */
    const char *name;         /* of the script being run, without its folder */
    promqltest_score total;
    bool bad; /* a script failed */
} program;

/* ---- scripts ---- */

static void print_failure(void *arg, uint32_t line, fer_str query, const char *msg)
{
    const program *p = arg;
    printf("%s:%u: %.*s\n    %s\n", p->name, line, STR_FMT(query), msg);
}

static void print_skip(void *arg, uint32_t line, fer_str query, const char *reason)
{
    const program *p = arg;
    printf("%s:%u: %.*s\n    skipped: %s\n", p->name, line, STR_FMT(query), reason);
}

static void print_score(const char *name, const promqltest_score *s)
{
    fer_buf b;
    fer_buf_init(&b, 4096, NULL);
    promqltest_print(&b, s);
    printf("%s %.*s\n", name, STR_FMT(fer_buf_str(&b)));
    fer_buf_done(&b);
}

/* The number behind the script's name in the floor file, 0 without a line. */
static uint64_t floor_of(const program *p, fer_str name)
{
    for (fer_str rest = p->floor; rest.n > 0;) {
        const char *end = memchr(rest.p, '\n', rest.n);
        fer_str line = str_head(rest, end == NULL ? rest.n : (size_t)(end - rest.p));
        rest = str_from(rest, line.n + 1);
        uint64_t n;
        if (line.n > name.n && str_has_prefix(line, name) && line.p[name.n] == ' ' &&
            num_parse_u64(str_from(line, name.n + 1), &n))
            return n;
    }
    return 0;
}

static void judge(program *p, const promqltest_score *s)
{
    if (!p->has_floor) {
        p->bad = p->bad || s->failed > 0;
        return;
    }
    uint64_t floor = floor_of(p, str_of(p->name));
    if (s->passed >= floor)
        return;
    printf("%s: %u evals passed, the floor is %u\n", p->name, s->passed, (unsigned)floor);
    p->bad = true;
}

static fer_code run_file(program *p, fer_str path, fer_err *err)
{
    fer_str text;
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    FER_TRY(vfs_read_all(vfs_posix(), path.p, SCRIPT_BYTES_MAX, a, &text, err));
    const char *slash = strrchr(path.p, '/');
    p->name = slash == NULL ? path.p : slash + 1;

    const promqltest_options o = {
        .failed = print_failure,
        .skipped = p->verbose ? print_skip : NULL,
        .arg = p,
        .helpers = p->helpers == NULL ? NULL : testing_helpers_of(p->helpers),
    };
    promqltest_score s;
    fer_code code = promqltest_run(text, &o, &s, err);
    print_score(p->name, &s);
    promqltest_add(&p->total, &s);
    judge(p, &s);
    return code == FER_OK ? FER_OK : fer_err_prefix(err, "%s", p->name);
}

/* ---- files ---- */

typedef struct dir_listing {
    program *p;
    const char *dir;
} dir_listing;

static fer_code add_entry(void *arg, const char *name)
{
    dir_listing *l = arg;
    if (!str_has_suffix(str_of(name), STR(".test")))
        return FER_OK;
    fer_str path = fer_arena_printf(l->p->arena, "%s/%s", l->dir, name);
    return str_list_add(&l->p->files, l->p->arena, path, NULL);
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const fer_str *)a, *(const fer_str *)b);
}

static fer_code add_path(program *p, const char *path, fer_err *err)
{
    vfs_stat st;
    FER_TRY(vfs_stat_path(vfs_posix(), path, &st, err));
    if (!st.is_dir)
        return str_list_add(&p->files, p->arena, str_of(path), NULL);
    size_t from = p->files.n;
    dir_listing l = {p, path};
    FER_TRY(vfs_list(vfs_posix(), path, add_entry, &l, err));
    qsort(p->files.v + from, p->files.n - from, sizeof *p->files.v, by_text);
    return FER_OK;
}

/* ---- command line ---- */

static int usage(void)
{
    fputs("usage: promqltest [-v] [--threads N] [--floor FILE] FILE|DIR...\n", stderr);
    return EXIT_USAGE;
}

static int fail(const fer_err *err)
{
    fprintf(stderr, "promqltest: %s\n", err->msg);
    return EXIT_USAGE;
}

static fer_code read_floor(program *p, const char *path, fer_err *err)
{
    p->has_floor = true;
    return vfs_read_all(vfs_posix(), path, SCRIPT_BYTES_MAX, p->arena, &p->floor, err);
}

static fer_code start_threads(program *p, const char *text, fer_err *err)
{
    uint64_t n;
    if (p->helpers != NULL || !num_parse_u64(str_of(text), &n) || n == 0 || n > THREADS_MAX)
        return fer_fail(err, FER_INVALID, "--threads takes a number up to %d, once", THREADS_MAX);
    p->helpers = testing_helpers_new((unsigned)n, 1);
    return FER_OK;
}

static int run_all(program *p)
{
    for (size_t i = 0; i < p->files.n; i++) {
        fer_err err;
        if (run_file(p, p->files.v[i], &err) == FER_OK)
            continue;
        printf("%s\n", err.msg);
        p->bad = true;
    }
    if (p->files.n > 1)
        print_score("total", &p->total);
    return p->bad ? 1 : 0;
}

static int run_program(program *p, int argc, char **argv)
{
    fer_err err;
    for (int i = 1; i < argc; i++) {
        fer_code code = FER_OK;
        if (strcmp(argv[i], "-v") == 0)
            p->verbose = true;
        else if (strcmp(argv[i], "--floor") == 0 && i + 1 < argc)
            code = read_floor(p, argv[++i], &err);
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            code = start_threads(p, argv[++i], &err);
        else if (argv[i][0] == '-')
            return usage();
        else
            code = add_path(p, argv[i], &err);
        if (code != FER_OK)
            return fail(&err);
    }
    return p->files.n == 0 ? usage() : run_all(p);
}

int main(int argc, char **argv)
{
    program p = {.arena = fer_arena_new(NULL, 0)};
    int status = run_program(&p, argc, argv);
    testing_helpers_free(p.helpers);
    fer_arena_free(p.arena);
    return status;
}
