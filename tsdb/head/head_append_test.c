/* The head's chunks are those that Prometheus cut from the same samples, byte for byte
 * (testdata/head/chunks.txt, made by testdata/head/make.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/head/head.h"
#include "tsdb/tsdb_int.h"
#include "tsdb/tsdb_testing.h"

typedef struct golden {
    test_db t;
    fer_arena *a;
    char *next; /* line to come */
} golden;

/* The next line, or NULL. */
static char *next_line(golden *g)
{
    char *line = g->next;
    if (line == NULL || *line == '\0')
        return NULL;
    char *end = strchr(line, '\n');
    *end = '\0';
    g->next = end + 1;
    return line;
}

static int open_golden(void **state)
{
    golden *g = fer_calloc(1, sizeof *g);
    test_db_init(&g->t);
    fer_clock_fake_advance(&g->t.clock, 24 * 3600 * 1000);
    g->t.o.sync = WAL_SYNC_NONE;
    test_db_open(&g->t);
    g->a = fer_arena_new(NULL, 0);
    fer_str text;
    assert_int_equal(
        vfs_read_all(vfs_posix(), FERULA_TESTDATA "/head/chunks.txt", 10 << 20, g->a, &text, NULL),
        FER_OK);
    g->next = (char *)fer_arena_dup(g->a, text).p;
    *state = g;
    return 0;
}

static int close_golden(void **state)
{
    golden *g = *state;
    test_db_done(&g->t);
    fer_arena_free(g->a);
    fer_free(g);
    return 0;
}

static uint8_t hex_digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void expect_chunk(const head *h, const full_chunk *c, char *line)
{
    char *p = line;
    assert_int_equal(c->mint, strtoll(p, &p, 10));
    assert_int_equal(full_maxt(c), strtoll(p, &p, 10));
    p++;
    assert_int_equal(c->bytes, strlen(p) / 2);
    const uint8_t *bytes = slab_ptr(&h->chunks, c->at);
    for (size_t i = 0; i < c->bytes; i++)
        assert_int_equal(bytes[i], hex_digit(p[2 * i]) << 4 | hex_digit(p[2 * i + 1]));
}

/* Samples are in a database of their own: its bounds are those of one series. */
static unsigned check_series(golden *g, const char *name)
{
    char raw[100];
    snprintf(raw, sizeof raw, "__name__=%s", name);
    test_db_close(&g->t);
    assert_int_equal(vfs_remove_all(vfs_posix(), g->t.path, NULL), FER_OK);
    test_db_open(&g->t);
    char *line;
    unsigned chunks = 0;
    while (*g->next != 's' || strncmp(g->next, "series ", 7) != 0) {
        if ((line = next_line(g)) == NULL)
            break;
        char *p = line + 7;
        if (strncmp(line, "sample ", 7) == 0) {
            int64_t t = strtoll(p, &p, 10);
            test_write1(&g->t, raw, t, f64_of_bits(strtoull(p, NULL, 16)));
            continue;
        }
        const head *h = &g->t.db->h;
        const full_list *full = slab_ptr(&h->chunks, head_pub_rec(h, 0)->full);
        assert_true(chunks < full->n);
        expect_chunk(h, &full->c[chunks++], line + 6);
    }
    const head *h = &g->t.db->h;
    slab_ref full = head_pub_rec(h, 0)->full;
    assert_int_equal(chunks, full == 0 ? 0 : ((full_list *)slab_ptr(&h->chunks, full))->n);
    return chunks;
}

static void chunks_are_those_of_prometheus(void **state)
{
    golden *g = *state;
    unsigned series = 0, chunks = 0;
    for (char *line; (line = next_line(g)) != NULL; series++)
        chunks += check_series(g, line + 7);
    assert_int_equal(series, 10);
    assert_int_equal(chunks, 43);
}

/* Chunks that grow at different rates lie between each other, and outgrow one size after the other. */
static void open_chunks_take_at_most_half_beyond_their_bytes(void **state)
{
    (void)state;
    enum { SERIES = 20000, SAMPLES = 100 };
    fer_hash_key key = {{1}};
    static head h;
    head_init(&h, NULL, 0, 7200000, &key, NULL);
    for (uint32_t i = 0; i < SERIES; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", (unsigned)i);
        const label l = {STR("a"), str_of(number)};
        head_key k;
        uint32_t slot;
        assert_int_equal(head_find_labels(&h, (labels){&l, 1}, &k, &slot, NULL), FER_OK);
        assert_int_equal(head_create(&h, &k, 0, &slot, NULL), FER_OK);
    }
    fer_mutex_lock(&h.publish);
    for (int64_t t = 0; t < SAMPLES; t++) {
        size_t used = 0;
        for (uint32_t slot = 0; slot < SERIES; slot++) {
            head_append(&h, slot, t * 1000,
                        (double)(t * (slot % 97) + t * t * slot % (1 + slot % 97)));
            used += xor_bytes(&head_pub_rec(&h, slot)->app);
        }
        size_t held = (size_t)atomic_load(&h.chunks.bytes);
        assert_true(t < SAMPLES / 2 || held <= used / 2 * 3);
    }
    fer_mutex_unlock(&h.publish);
    head_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_chunks_take_at_most_half_beyond_their_bytes),
        cmocka_unit_test_setup_teardown(chunks_are_those_of_prometheus, open_golden, close_golden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
