#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tsdb/maintenance/compact_plan.h"

/* Blocks as text: "0-20 20-40! 40-60h", in units of ms; "!" failed, "h" held, "s" from stale series, "/t:s" with
 * t tombstones of s series. Ranges are 20, 60, 180, 540, 1620. */
typedef struct plan_case {
    const char *blocks, *want;
} plan_case;

enum { BLOCKS_MAX = 16 };

static size_t parse(const char *text, block_meta *m, plan_block *v)
{
    static fer_str stale[] = {{"from-stale-series", 17}};
    size_t n = 0;
    for (const char *p = text; *p != '\0'; n++) {
        char *end;
        m[n] = (block_meta){.min_time = strtoll(p, &end, 10)};
        m[n].max_time = strtoll(end + 1, &end, 10);
        v[n] = (plan_block){&m[n], false};
        for (; *end != '\0' && *end != ' '; end++) {
            if (*end == '!')
                m[n].failed = true;
            else if (*end == 'h')
                v[n].held = true;
            else if (*end == 's')
                m[n].hints = stale, m[n].n_hints = 1;
            else if (*end == '/') {
                m[n].stats.tombstones = strtoull(end + 1, &end, 10);
                m[n].stats.series = strtoull(end + 1, &end, 10);
                end--;
            }
        }
        for (p = end; *p == ' ';)
            p++;
    }
    return n;
}

static void check(const plan_options *o, const plan_case *c)
{
    block_meta m[BLOCKS_MAX];
    plan_block v[BLOCKS_MAX];
    size_t pick[BLOCKS_MAX], n = parse(c->blocks, m, v);
    size_t picked = compact_plan(o, v, n, pick);
    char got[256] = "";
    for (size_t i = 0, at = 0; i < picked; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%lld-%lld", i == 0 ? "" : " ",
                               (long long)v[pick[i]].meta->min_time,
                               (long long)v[pick[i]].meta->max_time);
    if (strcmp(got, c->want) != 0)
        fail_msg("%s: got \"%s\", want \"%s\"", c->blocks, got, c->want);
}

static void blocks_are_chosen_as_prometheus_does(void **state)
{
    (void)state;
    static const plan_case cases[] = {
        {"", ""},
        {"0-20", ""},
        {"0-20 20-40", ""},
        {"0-20 20-40 40-60", ""}, /* the newest may still be saved elsewhere */
        {"0-20 20-40 40-60 60-80", "0-20 20-40 40-60"},
        {"60-80 40-60 20-40 0-20", "0-20 20-40 40-60"}, /* whatever the order given */
        {"0-20 20-40 60-80 80-100", "0-20 20-40"},      /* a gap; newer ones exist, so it is ripe */
        {"20-40 40-60 60-80", ""}, /* its end is past the begin of the newest that counts */
        {"0-20 20-40 40-60! 60-80", ""},
        {"0-20 20-40 40-60h 60-80", ""},
        {"0-20 60-80 80-100 100-120 120-140", "60-80 80-100 100-120"},
        {"0-20! 20-40 40-60 60-80 80-100 100-120 120-140", "60-80 80-100 100-120"},
        {"0-60 60-120 120-180 180-200", "0-60 60-120 120-180"},
        {"0-60 60-120 120-180 180-200 200-220 220-240 240-260", "180-200 200-220 220-240"},
        {"0-60 60-120 120-180", ""},
        {"0-60 60-120 120-180 180-240 240-260", "0-60 60-120 120-180"},
        {"5-20 20-40 40-60 60-80 80-100", "5-20 20-40 40-60"}, /* cut late, but nothing can come */
        {"0-30 30-60 60-80 80-100", "0-30 30-60"},
        {"-60--40 -40--20 -20-0 0-20", "-60--40 -40--20 -20-0"},
        {"10-30 40-60 60-80 80-100", "10-30 40-60"},
        {"0-20 20-40 50-70 70-90 90-110", "0-20 20-40"},
        {"0-180 180-360 360-540 540-560", "0-180 180-360 360-540"},
        {"0-540 540-1080 1080-1620 1620-1640", "0-540 540-1080 1080-1620"},
        {"0-1620 1620-3240 3240-4860 4860-4880", ""}, /* beyond the largest range */
        /* overlaps come first, the newest block too */
        {"0-20 10-30", "0-20 10-30"},
        {"0-20 20-40 30-50", "20-40 30-50"},
        {"0-20 20-40 40-60 60-80 70-90", "60-80 70-90"},
        {"0-60 10-20 30-40 60-80", "0-60 10-20 30-40"},
        {"0-20 10-40 30-60 60-80", "0-20 10-40 30-60"},
        {"0-20 10-30 40-60 50-70", "0-20 10-30"},
        {"0-20! 10-30 40-60 50-70", "40-60 50-70"}, /* one that fails keeps no other waiting */
        /* deletions */
        {"0-540/6:100 540-560", "0-540"},
        {"0-540/5:100 540-560", ""},
        {"0-20/5:5 20-40", "0-20"}, /* small, but all of it */
        {"0-20/4:5 20-40", ""},
        {"0-540/50:100 540-560/0:5 560-580", ""}, /* a small block without ends the search */
        {"0-540/50:100 540-560/5:5 560-580", "540-560"},
        {"0-540/50:100", ""},
        {"0-540/50:100! 540-560", ""},
        /* purposes are not mixed */
        {"0-20 0-20s 20-40", ""},
        {"0-20s 10-30s 20-40", "0-20 10-30"},
        {"0-20 10-30 0-20s 10-30s", "0-20 10-30"},
    };
    plan_options o = {.ranges = compact_ranges_of(20, 1620)};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&o, &cases[i]);
}

static void overlaps_can_be_left_alone(void **state)
{
    (void)state;
    static const plan_case cases[] = {
        {"0-20 10-30", ""},
        {"0-20 20-40 40-60 60-80 70-90", "0-20 20-40 40-60"},
    };
    plan_options o = {.ranges = compact_ranges_of(20, 1620), .no_overlapping = true};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&o, &cases[i]);
}

static void ranges_grow_threefold(void **state)
{
    (void)state;
    compact_ranges r = compact_ranges_of(7200000, 36 * INT64_C(3600000));
    assert_int_equal(r.n, 3);
    assert_int_equal(r.v[2], 18 * 3600000);
    assert_int_equal(compact_ranges_of(7200000, 7200000).n, 1);
    assert_int_equal(compact_ranges_of(7200000, 0).n, 1);
    r = compact_ranges_of(1, INT64_MAX);
    assert_int_equal(r.n, COMPACT_RANGES_MAX);
    assert_int_equal(r.v[9], 19683);
    plan_options one = {.ranges = compact_ranges_of(20, 20)};
    check(&one, &(plan_case){"0-20 20-40 40-60 60-80", ""});
    check(&one, &(plan_case){"0-20/2:20 20-40", "0-20"});
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_chosen_as_prometheus_does),
        cmocka_unit_test(overlaps_can_be_left_alone),
        cmocka_unit_test(ranges_grow_threefold),
    };
    return cmocka_run_group_tests_name("compact_plan", tests, NULL, NULL);
}
