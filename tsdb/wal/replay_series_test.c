/* Series that go through several at a time are those that would have come one by one. */
#include "tsdb/wal/replay_series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/wal/record.h"

enum { SERIES = 3000, MANY = 40, LONG_BYTES = 5000, TEXT = 64, REF = 1000 };

typedef struct heads {
    head one_by_one, together;
    replay_series *series;
    uint64_t next_ref, left_out;
} heads;

/* ---- the labels of series i ---- */

typedef struct wanted {
    label l[MANY + 8];
    size_t n;
    char text[MANY + 8][TEXT];
    char long_text[LONG_BYTES];
} wanted;

static void want(wanted *w, const char *name, fer_str value)
{
    w->l[w->n++] = (label){str_of(name), value};
}

static fer_str numbered(wanted *w, const char *what, unsigned i)
{
    snprintf(w->text[w->n], TEXT, "%s%u", what, i);
    return str_of(w->text[w->n]);
}

static void want_many(wanted *w, unsigned i)
{
    static char names[MANY][4];
    for (unsigned k = 0; k < MANY; k++) {
        snprintf(names[k], sizeof names[k], "x%02u", k);
        want(w, names[k], numbered(w, "v", k == i % MANY ? i : 0));
    }
}

static void wanted_of(wanted *w, unsigned i)
{
    w->n = 0;
    if (i % 50 == 19)
        return;
    want(w, "__name__", numbered(w, "metric_", i % 20));
    if (i % 50 == 11)
        want(w, "zone", STR("not in order"));
    want(w, "cluster", STR("production"));
    want(w, "instance", numbered(w, "10.1.0.", i / 20 % 50));
    if (i % 50 == 17)
        want(w, "job", STR(""));
    if (i % 50 == 23)
        want(w, "instance", STR("twice"));
    if (i % 20 == 19)
        want(w, "le", STR("0.5"));
    if (i % 50 == 29)
        want(w, "long",
             (fer_str){memset(w->long_text, 'a' + (int)(i / 50 % 3), LONG_BYTES), LONG_BYTES});
    want(w, "pod", numbered(w, "application-", i % 7 == 3 ? i / 2 : i));
    if (i % 50 == 13)
        want_many(w, i);
}

/* ---- both ways ---- */

static uint32_t make_alone(head *h, const wanted *w, uint64_t ref)
{
    label copy[MANY + 8];
    labels ls;
    head_key key;
    uint32_t slot;
    memcpy(copy, w->l, w->n * sizeof *copy);
    if (labels_canonical(copy, w->n, false, &ls, NULL) != FER_OK)
        return SLOT_NONE;
    assert_int_equal(head_find_labels(h, ls, &key, &slot, NULL), FER_OK);
    if (slot == SLOT_NONE)
        assert_int_equal(head_create(h, &key, ref, &slot, NULL), FER_OK);
    return slot;
}

static void expect_same(void *arg, uint64_t ref, uint32_t slot, const fer_err *err)
{
    heads *t = arg;
    wanted w;
    assert_int_equal(ref, t->next_ref++);
    wanted_of(&w, (unsigned)(ref - REF));
    assert_int_equal(make_alone(&t->one_by_one, &w, ref), slot);
    if (slot == SLOT_NONE) {
        t->left_out++;
        assert_non_null(strstr(err->msg, "instance"));
        return;
    }
    label a[LABELS_MAX], b[LABELS_MAX];
    labels mine = head_labels(&t->together, slot, a), other = head_labels(&t->one_by_one, slot, b);
    assert_int_equal(mine.n, other.n);
    for (size_t i = 0; i < mine.n; i++)
        assert_true(str_eq(mine.l[i].name, other.l[i].name) &&
                    str_eq(mine.l[i].value, other.l[i].value));
    assert_int_equal(head_ref(&t->together, slot), head_ref(&t->one_by_one, slot));
}

static fer_code take(void *arg, uint64_t ref, labels ls)
{
    heads *t = arg;
    replay_series_take(t->series, ref, ls);
    return FER_OK;
}

/* A record of n series from `first` on, gone once it is read. */
static void read_record(heads *t, unsigned first, unsigned n)
{
    fer_buf rec;
    fer_buf_init(&rec, 10 << 20, NULL);
    record_series_begin(&rec);
    for (unsigned i = first; i < first + n; i++) {
        wanted w;
        wanted_of(&w, i);
        record_series_add(&rec, REF + i, (labels){w.l, w.n});
    }
    const record_visitor v = {.arg = t, .series = take};
    assert_int_equal(record_decode(fer_buf_str(&rec), &v, NULL), FER_OK);
    replay_series_flush(t->series);
    assert_int_equal(t->next_ref, REF + first + n);
    memset(rec.p, 0xff, rec.n);
    fer_buf_done(&rec);
}

static uint32_t count_postings(const head *h, fer_str name, fer_str value)
{
    const head_dict *d = &h->names->dict;
    uint32_t id = dict_pair_find(d, dict_name_find(d, name), value);
    return dict_pair_of(d, id)->post.n;
}

static void series_are_those_made_one_by_one(void **state)
{
    (void)state;
    static heads t;
    static const fer_hash_key key = {{1, 2, 3}};
    head_init(&t.one_by_one, NULL, 0, 7200 * 1000, &key, NULL);
    head_init(&t.together, NULL, 0, 7200 * 1000, &key, NULL);
    t.series = replay_series_new(&t.together, expect_same, &t);
    t.next_ref = REF;
    for (unsigned i = 0, n = 1; i < SERIES; i += n, n = n % 37 + 1)
        read_record(&t, i, n);
    assert_true(t.left_out > SERIES / 60);
    assert_int_equal(t.together.n_slots, t.one_by_one.n_slots);
    assert_int_equal(t.together.names->dict.n_names, t.one_by_one.names->dict.n_names);
    assert_int_equal(t.together.names->dict.n_pairs, t.one_by_one.names->dict.n_pairs);
    fer_str cluster = STR("cluster"), production = STR("production");
    assert_int_equal(count_postings(&t.together, cluster, production),
                     count_postings(&t.one_by_one, cluster, production));
    replay_series_free(t.series);
    head_done(&t.together);
    head_done(&t.one_by_one);
}

static void note_slot(void *arg, uint64_t ref, uint32_t slot, const fer_err *err)
{
    (void)err;
    ((uint32_t *)arg)[ref] = slot;
}

static void take_one(replay_series *s, fer_str rec)
{
    heads t = {.series = s};
    const record_visitor v = {.arg = &t, .series = take};
    assert_int_equal(record_decode(rec, &v, NULL), FER_OK);
    replay_series_flush(s);
}

/* Others may write a length with more bytes than it needs. Here the label before ends with the room that keeps it. */
static void a_length_may_have_more_bytes_than_it_needs(void **state)
{
    (void)state;
    enum { VALUE = 4093, BEFORE = 1 + 8 + 1 + 1 + 1 };
    static const fer_hash_key key = {{1, 2, 3}};
    static head h;
    static char rec[BEFORE + 3 + VALUE];
    uint32_t slots[3] = {0};
    head_init(&h, NULL, 0, 7200 * 1000, &key, NULL);
    replay_series *s = replay_series_new(&h, note_slot, slots);
    for (int longer = 0; longer < 2; longer++) {
        size_t n = 0;
        memset(rec, 0, sizeof rec);
        rec[n] = 1; /* a Series record: ref, labels, each text behind its length */
        rec[n + 8] = (char)(1 + longer);
        n += 9;
        rec[n++] = 1; /* label */
        rec[n++] = 1;
        rec[n++] = 'a';
        rec[n++] = (char)((VALUE & 0x7f) | 0x80);
        rec[n++] = (char)((VALUE >> 7) | (longer ? 0x80 : 0));
        n += (size_t)longer;
        memset(rec + n, 'v', VALUE);
        take_one(s, (fer_str){rec, n + VALUE});
    }
    assert_int_not_equal(slots[1], SLOT_NONE);
    assert_int_equal(slots[1], slots[2]);
    assert_int_equal(h.names->dict.n_pairs, 1);
    replay_series_free(s);
    head_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_those_made_one_by_one),
        cmocka_unit_test(a_length_may_have_more_bytes_than_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
