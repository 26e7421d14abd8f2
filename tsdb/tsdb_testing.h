/* tsdb_testing.h - a database under test: rows written as text, results read back.
 *
 * A row's raw bytes are "name=value,name=value"; test_parse() makes labels of them. Failures assert.
 * Linked into tests and benches only.
 */
#ifndef FERULA_TSDB_TSDB_TESTING_H
#define FERULA_TSDB_TSDB_TESTING_H

#include "base/clock.h"
#include "base/rng.h"
#include "tsdb/tsdb.h"

typedef struct test_db {
    tsdb *db;
    tsdb_options o;
    fer_clock_fake clock;
    fer_rng_seeded rng;
    char path[256];
    fer_arena *scratch;
    tsdb_report report; /* of the last stage */
    unsigned n_done;    /* calls so far */
    fer_code last_done;
    fer_err err;
} test_db;

#define TEST_NOW INT64_C(1700000000000)

/* A fresh directory below the system's temporary one, on the machine's file system. */
void test_db_init(test_db *t);
/* As above on another file system; nothing is created. */
void test_db_init_on(test_db *t, vfs *fs, const char *path);
void test_db_open(test_db *t);
void test_db_close(test_db *t);
void test_db_reopen(test_db *t);
/* Closes if open, removes the directory. */
void test_db_done(test_db *t);

fer_code test_parse(void *arg, fer_str raw, fer_arena *scratch, label **ret, size_t *ret_n,
                    fer_err *err);
/* A row of a text that lives on. */
tsdb_row test_row(test_db *t, const char *raw, int64_t ts, double v);
/* Stages and commits; both must succeed. */
void test_write(test_db *t, const tsdb_row *rows, size_t n);
/* One sample; must be accepted. */
void test_write1(test_db *t, const char *raw, int64_t ts, double v);
/* Stages without committing. */
fer_code test_stage(test_db *t, const tsdb_row *rows, size_t n);
fer_code test_stage_rows(test_db *t, const tsdb_rows *rows);
void test_commit(test_db *t);

/* A query over the database: close with test_query_end(). */
typedef struct test_query {
    fer_arena *arena;
    query_ctx ctx;
    querier *q;
} test_query;
void test_query_begin(test_query *q, tsdb *db, int64_t mint, int64_t maxt);
void test_query_end(test_query *q);
/* matchers as text: name, op, value; ops as matcher_op(). n of them, nine at most. */
selection *test_select(test_query *q, const char *(*m)[3], size_t n, bool sorted);
/* The labels of series i as "name=value,name=value", in the arena. */
const char *test_labels(test_query *q, selection *s, size_t i);

/* The samples of the series with exactly these labels as "t:v t:v", in the arena; "" when none. */
const char *test_samples(test_query *q, const char *raw);
/* One call: opens a query over all time. Compares with want. */
void test_expect(test_db *t, const char *raw, const char *want);

#endif
