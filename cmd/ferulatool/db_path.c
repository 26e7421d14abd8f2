#include "cmd/ferulatool/db_path.h"

#include <stdio.h>
#include <stdlib.h>

fer_code db_path_check(const char *path, fer_err *err)
{
    vfs_stat st;
    fer_code code = vfs_stat_path(vfs_posix(), path, &st, err);
    if (code == FER_NOTFOUND)
        return fer_fail(err, code, "opening the db dir: stat %s: no such file or directory", path);
    FER_TRY(code);
    if (!st.is_dir)
        return fer_fail(err, FER_INVALID, "opening the db dir: %s is not a directory", path);
    return FER_OK;
}

typedef struct listing {
    fer_arena *a;
    ulid *v;
    size_t n, cap;
} listing;

static fer_code note_name(void *arg, const char *name)
{
    listing *l = arg;
    if (!ulid_is_valid(name))
        return FER_OK;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 32 : l->cap * 2;
        l->v = fer_arena_grow(l->a, l->v, l->cap * sizeof *l->v, cap * sizeof *l->v);
        l->cap = cap;
    }
    memcpy(l->v[l->n++].text, name, sizeof l->v->text);
    return FER_OK;
}

static int by_name(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(ulid));
}

fer_code db_path_blocks(const char *path, fer_arena *a, ulid **ret, size_t *ret_n, fer_err *err)
{
    listing l = {.a = a};
    FER_TRY(vfs_list(vfs_posix(), path, note_name, &l, err));
    if (l.n != 0)
        qsort(l.v, l.n, sizeof *l.v, by_name);
    *ret = l.v;
    *ret_n = l.n;
    return FER_OK;
}

int db_path_fail(const fer_err *err)
{
    fprintf(stderr, "%s\n", err->msg);
    return EXIT_FAILURE;
}
