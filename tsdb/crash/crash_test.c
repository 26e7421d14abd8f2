/* Crashes and failing disks at places of every scenario, the short form: what `./dev crash` does in full (docs/testing.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tsdb/crash/crash_faults.h"
#include "tsdb/crash/crash_images.h"

static void survives_every_crash(void **state)
{
    const crash_scenario *s = *state;
    const crash_options o = {
        .depth = CRASH_SHORT, .every = 13, .second = 40, .findings_max = 3, .out = stderr};
    crash_counts c;
    crash_images_run(s, &o, &c);
    assert_true(c.first > 3);
    assert_true(c.second > 0);
    assert_int_equal(c.findings, 0);
}

static void survives_failing_disks(void **state)
{
    const crash_scenario *s = *state;
    if (s->restarts)
        return;
    const fault_options o = {.every = 41, .findings_max = 3, .out = stderr};
    fault_counts c;
    crash_faults_run(s, &o, &c);
    assert_true(c.lives > 2);
    assert_int_equal(c.findings, 0);
}

int main(void)
{
    struct CMUnitTest *tests = fer_calloc(2 * n_crash_scenarios, sizeof *tests);
    for (size_t i = 0; i < n_crash_scenarios; i++) {
        void *scenario = (void *)(uintptr_t)&crash_scenarios[i];
        const char *name = crash_scenarios[i].name;
        tests[2 * i] = (struct CMUnitTest){name, survives_every_crash, NULL, NULL, scenario};
        tests[2 * i + 1] = (struct CMUnitTest){name, survives_failing_disks, NULL, NULL, scenario};
    }
    int failed = _cmocka_run_group_tests("crash", tests, 2 * n_crash_scenarios, NULL, NULL);
    fer_free(tests);
    return failed;
}
