/* block_gen.c - writes one block of many series, for measuring what reads blocks (docs/ferulatool.md).
 *
 * METRICS metric names on each of --series / METRICS pods; 10 labels a series of about 170 bytes; --samples at 15 s, 20 unless told,
 * 120 a chunk. By metric half of the series are counters, a quarter gauges of three decimals, a quarter never change.
 * The block spans two hours from --begin; its ULID is made of that time.
 *
 *     block_gen [--series=N] [--samples=N] [--begin=MS] DIR
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/num.h"
#include "base/rng.h"
#include "tsdb/block/block_write.h"
#include "tsdb/chunk/chunk_xor.h"

enum {
    METRICS = 500,
    LABELS = 10,
    STEP_MS = 15000,
    TEXT_MAX = 64,
    PER_CHUNK = 120,
    CHUNKS_MAX = 4
};
#define SERIES_DEFAULT UINT64_C(500000)
#define SAMPLES_DEFAULT UINT64_C(20)
#define BEGIN_DEFAULT_MS UINT64_C(1700006400000)
#define BLOCK_MS INT64_C(7200000)

/* Labels in order of their names; the value of a pod, whose number is given. */
static const char *const names[LABELS] = {"__name__", "cluster",   "container", "image", "instance",
                                          "job",      "namespace", "node",      "pod",   "region"};
/* A value: text, a number of at least so many digits (0: none), text. */
typedef struct value_form {
    const char *before;
    int digits;
    const char *after;
} value_form;
static const value_form values[LABELS] = {
    {"application_requests_kind_", 3, "_total"},
    {"production-cluster-01", 0, ""},
    {"container-", 2, ""},
    {"registry.example.org/team/image:v", 2, ""},
    {"10.0.", 1, ".17:9100"},
    {"kubernetes-pods-", 2, ""},
    {"namespace-", 3, ""},
    {"node-", 4, ".example.org"},
    {"deployment-pod-", 6, ""},
    {"eu-central-", 1, ""},
};
static const unsigned kinds[LABELS] = {METRICS, 1, 20, 40, 250, 10, 50, 200, 0, 3};

typedef struct generator {
    int64_t begin_ms;
    unsigned samples; /* a series */
    fer_arena *a;
    char (*texts)[TEXT_MAX];
    size_t n_texts;
    block_writer *w;
    fer_rng_seeded rng;
    fer_err err;
} generator;

static void check(const generator *g, fer_code code)
{
    if (code == FER_OK)
        return;
    fprintf(stderr, "block_gen: %s\n", g->err.msg);
    exit(EXIT_FAILURE);
}

static void text_of(char ret[TEXT_MAX], size_t i, unsigned number)
{
    unsigned kind = kinds[i] == 0 ? number : number % kinds[i];
    const value_form *form = &values[i];
    if (form->digits == 0)
        snprintf(ret, TEXT_MAX, "%s", form->before);
    else
        snprintf(ret, TEXT_MAX, "%s%0*u%s", form->before, form->digits, kind, form->after);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void add_text(generator *g, const char *text)
{
    snprintf(g->texts[g->n_texts++], TEXT_MAX, "%s", text);
}

static void put_symbols(generator *g, unsigned pods)
{
    size_t room = LABELS;
    for (size_t i = 0; i < LABELS; i++)
        room += kinds[i] == 0 ? pods : kinds[i];
    g->texts = fer_arena_alloc(g->a, room * TEXT_MAX);
    for (size_t i = 0; i < LABELS; i++) {
        add_text(g, names[i]);
        for (unsigned k = 0; k < (kinds[i] == 0 ? pods : kinds[i]); k++) {
            char text[TEXT_MAX];
            text_of(text, i, k);
            add_text(g, text);
        }
    }
    qsort(g->texts, g->n_texts, TEXT_MAX, by_text);
    for (size_t i = 0; i < g->n_texts; i++)
        check(g, block_writer_symbol(g->w, str_of(g->texts[i]), &g->err));
}

static uint32_t symbol_of(const generator *g, const char *text)
{
    char(*p)[TEXT_MAX] = bsearch(text, g->texts, g->n_texts, TEXT_MAX, by_text);
    return (uint32_t)(p - g->texts);
}

typedef struct pod {
    label_id ids[LABELS];
} pod;

static int by_ids(const void *a, const void *b)
{
    const pod *x = a, *y = b;
    for (size_t i = 1; i < LABELS; i++)
        if (x->ids[i].value != y->ids[i].value)
            return x->ids[i].value < y->ids[i].value ? -1 : 1;
    return 0;
}

static pod *make_pods(generator *g, unsigned n)
{
    pod *v = fer_arena_alloc(g->a, n * sizeof *v);
    for (unsigned k = 0; k < n; k++)
        for (size_t i = 0; i < LABELS; i++) {
            char text[TEXT_MAX];
            text_of(text, i, k);
            v[k].ids[i] = (label_id){symbol_of(g, names[i]), symbol_of(g, text)};
        }
    qsort(v, n, sizeof *v, by_ids);
    return v;
}

typedef enum series_kind { COUNTER, COUNTER_TOO, GAUGE, CONSTANT, KINDS } series_kind;

static double next_value(generator *g, series_kind kind, double v)
{
    uint64_t random = fer_rng_seeded_next(&g->rng);
    switch (kind) {
    case GAUGE:
        return (double)(random % 100000) / 1000;
    case CONSTANT:
        return 1;
    default:
        return v + (double)(random % 100);
    }
}

static void put_series(generator *g, const pod *p, series_kind kind)
{
    static uint8_t bytes[CHUNKS_MAX][(PER_CHUNK + 1) * XOR_SAMPLE_BYTES_MAX];
    block_chunk c[CHUNKS_MAX];
    size_t n = 0;
    double v = 0;
    for (unsigned i = 0; i < g->samples; n++) {
        xor_appender app;
        xor_init(&app);
        memset(bytes[n], 0, sizeof bytes[n]);
        int64_t mint = g->begin_ms + (int64_t)i * STEP_MS;
        for (unsigned k = 0; k < PER_CHUNK && i < g->samples; k++, i++) {
            v = next_value(g, kind, v);
            xor_append(&app, bytes[n], g->begin_ms + (int64_t)i * STEP_MS, v);
        }
        int64_t maxt = g->begin_ms + (int64_t)(i - 1) * STEP_MS;
        c[n] = (block_chunk){mint, maxt, CHUNK_XOR, {(const char *)bytes[n], xor_bytes(&app)}};
    }
    check(g, block_writer_series(g->w, p->ids, LABELS, c, n, &g->err));
}

static void generate(generator *g, const char *dir, uint64_t series)
{
    unsigned n = (unsigned)(series / METRICS);
    ulid id = ulid_make(g->begin_ms, &g->rng.base);
    check(g, block_writer_open(vfs_posix(), dir, &id, 0, NULL, &g->w, &g->err));
    put_symbols(g, n);
    pod *pods = make_pods(g, n);
    for (unsigned m = 0; m < METRICS; m++) {
        char text[TEXT_MAX];
        text_of(text, 0, m);
        for (unsigned k = 0; k < n; k++) {
            pods[k].ids[0].value = symbol_of(g, text);
            put_series(g, &pods[k], (series_kind)(m % KINDS));
        }
    }
    block_meta meta = {.min_time = g->begin_ms,
                       .max_time = g->begin_ms + BLOCK_MS,
                       .level = 1,
                       .sources = &id,
                       .n_sources = 1};
    check(g, block_writer_close(g->w, &meta, &g->err));
}

static bool is_number(const char *arg, const char *name, uint64_t *ret)
{
    size_t n = strlen(name);
    return strncmp(arg, name, n) == 0 && num_parse_u64(str_of(arg + n), ret);
}

int main(int argc, char **argv)
{
    uint64_t series = SERIES_DEFAULT, each = SAMPLES_DEFAULT, begin = BEGIN_DEFAULT_MS;
    const char *dir = NULL;
    for (int i = 1; i < argc; i++)
        if (!is_number(argv[i], "--series=", &series) && !is_number(argv[i], "--samples=", &each) &&
            !is_number(argv[i], "--begin=", &begin))
            dir = argv[i];
    if (dir == NULL || dir[0] == '-' || series < METRICS || series / METRICS > UINT32_MAX ||
        each == 0 || each > CHUNKS_MAX * PER_CHUNK || begin > INT64_MAX / 2) {
        fputs("usage: block_gen [--series=N] [--samples=N] [--begin=MS] DIR\n", stderr);
        return 2;
    }
    generator g = {
        .a = fer_arena_new(NULL, 0), .begin_ms = (int64_t)begin, .samples = (unsigned)each};
    fer_rng_seeded_init(&g.rng, begin);
    generate(&g, dir, series);
    fer_arena_free(g.a);
    return 0;
}
