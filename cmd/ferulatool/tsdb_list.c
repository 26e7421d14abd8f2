/* tsdb_list.c - `tsdb list`: the blocks of a data directory, a line each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/go_text.h"
#include "cmd/ferulatool/out.h"
#include "cmd/ferulatool/tsdb_commands.h"
#include "tsdb/block/block.h"
#include "tsdb/block/dir_file.h"

enum { COLUMNS = 8, CELL_CHARS_MAX = 64, CELL_CHARS_MIN = 13, CELL_GAP = 2 };

typedef struct line {
    int64_t min_time;
    char cells[COLUMNS][CELL_CHARS_MAX];
} line;

static int by_time(const void *a, const void *b)
{
    const line *x = a, *y = b;
    if (x->min_time != y->min_time)
        return x->min_time < y->min_time ? -1 : 1;
    return strcmp(x->cells[0], y->cells[0]);
}

static uint64_t file_bytes(const char *dir, const char *name)
{
    char path[PATH_MAX];
    vfs_stat st;
    if (dir_file_path(path, dir, name, NULL) != FER_OK ||
        vfs_stat_path(vfs_posix(), path, &st, NULL) != FER_OK)
        return 0;
    return st.size;
}

static void cell(line *l, size_t column, const fer_buf *text)
{
    snprintf(l->cells[column], CELL_CHARS_MAX, "%.*s", STR_FMT(fer_buf_str(text)));
}

static void number_cell(line *l, size_t column, int64_t v, bool readable,
                        void (*print)(fer_buf *out, int64_t v))
{
    fer_buf text;
    fer_buf_init(&text, CELL_CHARS_MAX, NULL);
    if (readable)
        print(&text, v);
    else
        fer_buf_printf(&text, "%" PRId64, v);
    cell(l, column, &text);
    fer_buf_done(&text);
}

static void describe(line *l, const block *b, uint64_t bytes, bool readable)
{
    const block_meta *m = &b->meta;
    l->min_time = m->min_time;
    snprintf(l->cells[0], CELL_CHARS_MAX, "%s", m->id.text);
    number_cell(l, 1, m->min_time, readable, go_time);
    number_cell(l, 2, m->max_time, readable, go_time);
    number_cell(l, 3, (int64_t)((uint64_t)m->max_time - (uint64_t)m->min_time), true, go_duration);
    number_cell(l, 4, (int64_t)m->stats.samples, false, NULL);
    number_cell(l, 5, (int64_t)m->stats.chunks, false, NULL);
    number_cell(l, 6, (int64_t)m->stats.series, false, NULL);
    number_cell(l, 7, (int64_t)bytes, readable, text_format_bytes);
}

static fer_code describe_block(line *l, const char *dir, const char *name, bool readable,
                               fer_err *err)
{
    char path[PATH_MAX];
    block *b;
    FER_TRY(dir_file_path(path, dir, name, err));
    FER_TRY(block_open(vfs_posix(), dir, name, NULL, &b, err));
    describe(l, b, block_bytes(b) + file_bytes(path, "meta.json") + file_bytes(path, "tombstones"),
             readable);
    block_unref(b);
    return FER_OK;
}

static void print_row(tool_out *o, const char *const cells[COLUMNS], const size_t width[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS - 1; i++)
        fer_buf_printf(&o->b, "%-*s", (int)width[i], cells[i]);
    fer_buf_printf(&o->b, "%s\n", cells[COLUMNS - 1]);
    out_line(o);
}

static void print_lines(tool_out *o, const line *lines, size_t n)
{
    static const char *const head[COLUMNS] = {"BLOCK ULID",  "MIN TIME",   "MAX TIME",   "DURATION",
                                              "NUM SAMPLES", "NUM CHUNKS", "NUM SERIES", "SIZE"};
    size_t width[COLUMNS];
    for (size_t k = 0; k < COLUMNS; k++) {
        width[k] = CELL_CHARS_MIN;
        for (size_t i = 0; i < n; i++)
            if (strlen(lines[i].cells[k]) + CELL_GAP > width[k])
                width[k] = strlen(lines[i].cells[k]) + CELL_GAP;
    }
    print_row(o, head, width);
    for (size_t i = 0; i < n; i++) {
        const char *cells[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++)
            cells[k] = lines[i].cells[k];
        print_row(o, cells, width);
    }
}

int tsdb_list_run(const cli_call *c)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    const char *dir = cli_arg_text(c, 0);
    bool readable = cli_is_set(c, "human-readable");
    fer_err err = {0};
    ulid *names = NULL;
    size_t n_names = 0, n = 0;
    if (db_path_check(dir, &err) != FER_OK ||
        db_path_blocks(dir, a, &names, &n_names, &err) != FER_OK)
        return db_path_fail(&err);

    int code = 0;
    line *lines = ARENA_ARRAY(a, line, n_names);
    for (size_t i = 0; i < n_names; i++) {
        if (describe_block(&lines[n], dir, names[i].text, readable, &err) == FER_OK) {
            n++;
            continue;
        }
        fprintf(stderr, "corrupted block %s: %s\n", names[i].text, err.msg);
        code = EXIT_FAILURE;
    }
    if (n != 0)
        qsort(lines, n, sizeof *lines, by_time);
    tool_out o;
    out_open(&o);
    print_lines(&o, lines, n);
    return out_close(&o) ? code : EXIT_FAILURE;
}
