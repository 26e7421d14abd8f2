/* wal_testing.h - for the WAL's tests: a list of records that reading fills, records with numbers. */
#ifndef FERULA_TSDB_WAL_TESTING_H
#define FERULA_TSDB_WAL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/vfs.h"
#include "tsdb/wal/wal.h"

enum { DAMAGES_KEPT = 16 };

typedef struct rec_place {
    uint64_t segment, offset;
    size_t begin, n; /* in bytes */
} rec_place;

typedef struct rec_list {
    fer_buf bytes;
    rec_place *v;
    size_t n, cap;
    wal_damage damage[DAMAGES_KEPT];
    size_t n_damage;
    size_t stop_at; /* fail with FER_CANCELED at this record; 0: never */
} rec_list;

static inline void rec_list_init(rec_list *l)
{
    *l = (rec_list){0};
    fer_buf_init(&l->bytes, SIZE_MAX / 2, NULL);
}

static inline void rec_list_done(rec_list *l)
{
    fer_buf_done(&l->bytes);
    fer_free(l->v);
}

static inline void rec_list_clear(rec_list *l)
{
    fer_buf_clear(&l->bytes);
    l->n = l->n_damage = 0;
}

static inline fer_str rec_at(const rec_list *l, size_t i)
{
    return (fer_str){l->bytes.p + l->v[i].begin, l->v[i].n};
}

static inline fer_code rec_list_take(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    rec_list *l = arg;
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = (rec_place){segment, offset, l->bytes.n, rec.n};
    fer_buf_puts(&l->bytes, rec);
    return l->n == l->stop_at ? FER_CANCELED : FER_OK;
}

static inline void rec_list_damage(void *arg, const wal_damage *d)
{
    rec_list *l = arg;
    if (l->n_damage < DAMAGES_KEPT)
        l->damage[l->n_damage] = *d;
    l->n_damage++;
}

static inline void rec_list_read(rec_list *l, vfs *fs, const char *dir)
{
    rec_list_clear(l);
    fer_err err = {0};
    fer_code code = wal_read(fs, dir, rec_list_take, rec_list_damage, l, NULL, &err);
    if (code != FER_OK)
        fail_msg("wal_read: %s", err.msg);
}

/* A record that says which it is: its number, then n - 8 bytes made from it. Every third is easy to
 * compress. */
static inline fer_str make_rec(fer_buf *scratch, uint64_t number, size_t n)
{
    assert_true(n >= 8);
    fer_buf_clear(scratch);
    char *p = fer_buf_room(scratch, n);
    memcpy(p, &number, 8);
    uint64_t x = number * 0x9e3779b97f4a7c15 + 1;
    for (size_t i = 8; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = number % 3 == 0 ? (char)('a' + i / 50 % 20) : (char)(x >> 33);
    }
    return (fer_str){p, n};
}

static inline uint64_t rec_number(fer_str rec)
{
    uint64_t number;
    assert_true(rec.n >= 8);
    memcpy(&number, rec.p, 8);
    return number;
}

#endif
