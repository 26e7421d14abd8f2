/* config_files.c - the files that patterns find: a star, a question mark or [...] in the last part of a path. */
#include "server/config/config_files.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/vfs.h"
#include "server/config/config_check.h"
#include "server/config/schema.h"

enum { FILE_BYTES_MAX = 16 * 1024 * 1024 };

/* With the directory of `base` in front of a relative one. NULL: out of memory. */
static const char *beside(fer_arena *a, const char *base, fer_str pattern)
{
    const char *slash = strrchr(base, '/');
    bool relative = pattern.n != 0 && pattern.p[0] != '/' && slash != NULL;
    fer_str dir = {base, relative ? (size_t)(slash - base) + 1 : 0};
    return fer_arena_printf(a, "%.*s%.*s", STR_FMT(dir), STR_FMT(pattern)).p;
}

static const yaml_node *list_of(const yaml_node *root, const char *key)
{
    static const yaml_node none = {.kind = YAML_LIST};
    const yaml_node *n = yaml_get(root, key);
    return n == NULL || n->kind != YAML_LIST ? &none : n;
}

fer_code config_patterns_of(const yaml_node *root, const char *path, fer_arena *a,
                            config_patterns *ret, fer_err *err)
{
    const yaml_node *scrape = list_of(root, "scrape_config_files"),
                    *rules = list_of(root, "rule_files");
    ret->scrape = ARENA_ARRAY(a, const char *, scrape->n + 1);
    ret->all = ARENA_ARRAY(a, const char *, scrape->n + rules->n + 1);
    if (ret->scrape == NULL || ret->all == NULL)
        return fer_fail_budget(err, "configuration");
    for (size_t i = 0; i < scrape->n + rules->n; i++) {
        bool of_scrape = i < scrape->n;
        const yaml_node *n = of_scrape ? scrape->items[i] : rules->items[i - scrape->n];
        ret->all[i] = beside(a, path, n->text);
        if (ret->all[i] == NULL)
            return fer_fail_budget(err, "configuration");
        if (of_scrape)
            ret->scrape[i] = ret->all[i];
    }
    ret->scrape[scrape->n] = ret->all[scrape->n + rules->n] = NULL;
    return FER_OK;
}

static fer_code check_file(const yaml_node *root, const char *file, fer_arena *a, fer_err *err)
{
    fer_str text;
    yaml_node *n = NULL;
    FER_TRY(vfs_read_all(vfs_posix(), file, FILE_BYTES_MAX, a, &text, err));
    fer_code c = yaml_tree_parse(text, a, &n, err);
    if (c == FER_OK)
        c = schema_check(n, schema_scrape_file, "the scrape configuration file", err);
    if (c == FER_OK)
        c = config_check_scrapes(root, yaml_get(n, "scrape_configs"), err);
    if (c != FER_INVALID || err == NULL)
        return c;
    fer_err line = *err;
    return fer_fail(err, FER_INVALID, "%s:%s", file, line.msg);
}

/* ---- what a pattern finds ---- */

typedef struct found {
    fer_arena *a;
    const char *pattern; /* its last part */
    fer_str dir;         /* with the slash behind it */
    const char **paths;
    size_t n, cap;
} found;

static fer_code find_one(void *arg, const char *name)
{
    found *f = arg;
    if (fnmatch(f->pattern, name, FNM_PERIOD) != 0)
        return FER_OK;
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 8 : 2 * f->cap;
        void *more =
            fer_arena_grow(f->a, f->paths, f->cap * sizeof *f->paths, cap * sizeof *f->paths);
        if (more == NULL)
            return FER_NOMEM;
        f->paths = more;
        f->cap = cap;
    }
    const char *path = fer_arena_printf(f->a, "%.*s%s", STR_FMT(f->dir), name).p;
    if (path == NULL)
        return FER_NOMEM;
    f->paths[f->n++] = path;
    return FER_OK;
}

static int cmp_path(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their names; a folder that is not there holds nothing. */
static fer_code find_files(const char *pattern, fer_arena *a, found *ret, fer_err *err)
{
    const char *slash = strrchr(pattern, '/');
    found f = {.a = a, .pattern = slash == NULL ? pattern : slash + 1};
    f.dir = (fer_str){pattern, (size_t)(f.pattern - pattern)};
    fer_str dir = f.dir.n == 0 ? STR(".") : f.dir;
    fer_code c = vfs_list(vfs_posix(), fer_arena_dup(a, dir).p, find_one, &f, err);
    if (c == FER_NOMEM)
        return fer_fail_budget(err, "configuration");
    if (f.n != 0)
        qsort(f.paths, f.n, sizeof *f.paths, cmp_path);
    *ret = f;
    return FER_OK;
}

fer_code config_check_files(const yaml_node *root, const config_patterns *p, fer_arena *a,
                            fer_err *err)
{
    for (const char **pattern = p->scrape; *pattern != NULL; pattern++) {
        found f;
        FER_TRY(find_files(*pattern, a, &f, err));
        for (size_t i = 0; i < f.n; i++)
            FER_TRY(check_file(root, f.paths[i], a, err));
    }
    return FER_OK;
}

static uint64_t sum_file(uint64_t sum, const char *file, fer_arena *a)
{
    fer_str text = STR("");
    if (vfs_read_all(vfs_posix(), file, FILE_BYTES_MAX, a, &text, NULL) != FER_OK)
        text = STR("");
    sum = fer_hash_mix(sum, fer_hash64(file, strlen(file)));
    return fer_hash_mix(sum, fer_hash64(text.p, text.n));
}

uint64_t config_files_sum(const char *path, const char *const *patterns)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    uint64_t sum = sum_file(0, path, a);
    for (; patterns != NULL && *patterns != NULL; patterns++) {
        found f;
        if (find_files(*patterns, a, &f, NULL) != FER_OK)
            continue;
        for (size_t i = 0; i < f.n; i++)
            sum = sum_file(sum, f.paths[i], a);
    }
    return sum;
}
