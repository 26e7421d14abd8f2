#include "tsdb/block/block_sums.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "tsdb/block/dir_file.h"

enum { PIECE_BYTES = 256 * 1024, SUMS_BYTES_MAX = 1 << 26, NAME_BYTES = 64 };

static const char first_line[] = "ferula.sums 1\n";

/* ---- sums ---- */

static fer_code sum_open(vfs_file *f, uint32_t *ret_crc, uint64_t *ret_bytes, fer_err *err)
{
    char *piece = fer_alloc(PIECE_BYTES);
    fer_code code;
    size_t n;
    *ret_crc = 0;
    *ret_bytes = 0;
    do {
        code = vfs_pread(f, piece, PIECE_BYTES, *ret_bytes, &n, err);
        if (code != FER_OK)
            break;
        *ret_crc = crc32c(*ret_crc, piece, n);
        *ret_bytes += n;
    } while (n == PIECE_BYTES);
    fer_free(piece);
    return code;
}

static fer_code sum_file(vfs *fs, const char *dir, const char *name, uint32_t *ret_crc,
                         uint64_t *ret_bytes, fer_err *err)
{
    char path[PATH_MAX];
    FER_CLEANUP(vfs_closep) vfs_file *f = NULL;
    FER_TRY(dir_file_path(path, dir, name, err));
    FER_TRY(vfs_open(fs, path, VFS_READ, &f, err));
    return sum_open(f, ret_crc, ret_bytes, err);
}

static uint32_t sum_meta(const block_meta *meta)
{
    fer_buf text;
    block_meta stays = *meta;
    stays.stats.tombstones = 0;
    stays.deletable = stays.failed = false;
    fer_buf_init(&text, BLOCK_META_BYTES_MAX, NULL);
    block_meta_print(&text, &stays);
    uint32_t crc = crc32c(0, text.p, text.n);
    fer_buf_done(&text);
    return crc;
}

/* ---- writing ---- */

typedef struct name_list {
    char (*v)[NAME_BYTES];
    size_t n;
} name_list;

static fer_code note_segment(void *arg, const char *name)
{
    name_list *l = arg;
    if (strlen(name) >= NAME_BYTES - sizeof "chunks/")
        return FER_OK;
    l->v = fer_realloc(l->v, (l->n + 1) * sizeof *l->v);
    snprintf(l->v[l->n++], NAME_BYTES, "chunks/%s", name);
    return FER_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static fer_code put_file(fer_buf *out, vfs *fs, const char *dir, const char *name, fer_err *err)
{
    uint32_t crc;
    uint64_t bytes;
    FER_TRY(sum_file(fs, dir, name, &crc, &bytes, err));
    fer_buf_printf(out, "%08" PRIx32 " %" PRIu64 " %s\n", crc, bytes, name);
    return FER_OK;
}

static fer_code put_all(fer_buf *out, vfs *fs, const char *dir, const block_meta *meta,
                        fer_err *err)
{
    char chunks[PATH_MAX];
    name_list l = {0};
    fer_buf_puts(out, str_of(first_line));
    FER_TRY(put_file(out, fs, dir, "index", err));
    FER_TRY(dir_file_path(chunks, dir, "chunks", err));
    fer_code code = vfs_list(fs, chunks, note_segment, &l, err);
    if (l.n != 0)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    for (size_t i = 0; i < l.n && code == FER_OK; i++)
        code = put_file(out, fs, dir, l.v[i], err);
    fer_free(l.v);
    FER_TRY(code);
    fer_buf_printf(out, "%08" PRIx32 " 0 meta.json\n", sum_meta(meta));
    fer_buf_printf(out, "%08" PRIx32 "\n", crc32c(0, out->p, out->n));
    return FER_OK;
}

fer_code block_sums_store(vfs *fs, const char *dir, const block_meta *meta, fer_err *err)
{
    fer_buf text;
    fer_buf_init(&text, SUMS_BYTES_MAX, NULL);
    fer_code code = put_all(&text, fs, dir, meta, err);
    if (code == FER_OK)
        code = dir_file_replace(fs, dir, BLOCK_SUMS_FILE, fer_buf_str(&text), err);
    fer_buf_done(&text);
    return code;
}

/* ---- checking ---- */

typedef struct checker {
    vfs *fs;
    const char *dir;
    const block_meta *meta;
    block_sums_fn fn;
    void *arg;
} checker;

static void check_line(const checker *c, const char *line)
{
    uint32_t want, crc;
    uint64_t size, bytes;
    char name[NAME_BYTES], what[FER_ERR_MSG_MAX];
    fer_err err = {0};
    if (sscanf(line, "%8" SCNx32 " %" SCNu64 " %63s", &want, &size, name) != 3) {
        c->fn(c->arg, BLOCK_SUMS_FILE, "a line does not decode");
    } else if (strcmp(name, "meta.json") == 0) {
        if (c->meta != NULL && sum_meta(c->meta) != want)
            c->fn(c->arg, name, "is not what " BLOCK_SUMS_FILE " says");
    } else if (sum_file(c->fs, c->dir, name, &crc, &bytes, &err) != FER_OK) {
        c->fn(c->arg, name, err.msg);
    } else if (bytes != size) {
        snprintf(what, sizeof what,
                 "has %" PRIu64 " bytes, %" PRIu64 " according to " BLOCK_SUMS_FILE, bytes, size);
        c->fn(c->arg, name, what);
    } else if (crc != want) {
        c->fn(c->arg, name, "is not what " BLOCK_SUMS_FILE " says");
    }
}

/* The lines, each ended by NUL, up to the last one; false when the file itself is damaged. */
static bool is_whole(char *text, size_t n, char **ret_end)
{
    enum { LAST_BYTES = 9 };
    char want[LAST_BYTES + 1];
    if (n < sizeof first_line - 1 + LAST_BYTES ||
        memcmp(text, first_line, sizeof first_line - 1) != 0)
        return false;
    *ret_end = text + n - LAST_BYTES;
    snprintf(want, sizeof want, "%08" PRIx32 "\n", crc32c(0, text, n - LAST_BYTES));
    if (memcmp(*ret_end, want, LAST_BYTES) != 0 || (*ret_end)[-1] != '\n')
        return false;
    for (char *p = text; p < *ret_end; p++)
        if (*p == '\n')
            *p = '\0';
    return true;
}

void block_sums_check(vfs *fs, const char *dir, const block_meta *meta, block_sums_fn fn, void *arg)
{
    char path[PATH_MAX], *end;
    fer_str text;
    fer_err err = {0};
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    if (dir_file_path(path, dir, BLOCK_SUMS_FILE, NULL) != FER_OK || !vfs_exists(fs, path))
        return;
    if (vfs_read_all(fs, path, SUMS_BYTES_MAX, a, &text, &err) != FER_OK) {
        fn(arg, BLOCK_SUMS_FILE, err.msg);
        return;
    }
    const checker c = {fs, dir, meta, fn, arg};
    char *lines = fer_memdup0(text.p, text.n);
    if (!is_whole(lines, text.n, &end)) {
        fn(arg, BLOCK_SUMS_FILE, "checksum did not match");
    } else {
        for (char *p = lines + strlen(lines) + 1; p < end; p += strlen(p) + 1)
            check_line(&c, p);
    }
    fer_free(lines);
}
