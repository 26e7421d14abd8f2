/* crash_main.c - all disks that crashes can leave, in full; run by `./dev crash`.
 *
 * usage: crash_images [--list | NAME...]: a line for each scenario, findings before it; status 1 with findings.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tsdb/crash/crash_faults.h"
#include "tsdb/crash/crash_images.h"

/* The start is crashed on each disk. */
enum { SECOND = 1, FINDINGS_MAX = 20 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool run(const crash_scenario *s)
{
    const char *second = getenv("FERULA_CRASH_SECOND"), *every = getenv("FERULA_CRASH_EVERY");
    crash_options o = {
        .depth = CRASH_FULL,
        .every = every != NULL ? (unsigned)strtoul(every, NULL, 10) : 1,
        .second = second != NULL ? (unsigned)strtoul(second, NULL, 10) : SECOND,
        .findings_max = FINDINGS_MAX,
        .out = stdout,
    };
    crash_counts c;
    double begin = now();
    crash_images_run(s, &o, &c);
    printf("%-16s %6" PRIu64 " calls %7" PRIu64 " disks, %7" PRIu64 " of the start, %6" PRIu64
           " equal, %3" PRIu64 " findings, %4.0f s\n",
           s->name, c.ops, c.first, c.second, c.equal, c.findings, now() - begin);
    (void)fflush(stdout);
    return c.findings == 0;
}

static bool run_faults(const crash_scenario *s)
{
    const char *every = getenv("FERULA_CRASH_EVERY");
    fault_options o = {
        .every = every != NULL ? (unsigned)strtoul(every, NULL, 10) : 1,
        .findings_max = FINDINGS_MAX,
        .out = stdout,
    };
    fault_counts c;
    double begin = now();
    crash_faults_run(s, &o, &c);
    printf("%-16s %6" PRIu64 " calls %7" PRIu64 " failing disks %27s %3" PRIu64
           " findings, %4.0f s\n",
           s->name, c.calls, c.lives, "", c.findings, now() - begin);
    (void)fflush(stdout);
    return c.findings == 0;
}

static bool is_chosen(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

int main(int argc, char **argv)
{
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0, any = false, good = true;
    for (size_t i = 0; i < n_crash_scenarios; i++) {
        const crash_scenario *s = &crash_scenarios[i];
        if (list)
            puts(s->name);
        else if (is_chosen(s->name, argc, argv))
            good = run(s) && (s->restarts || run_faults(s)) && good;
        else
            continue;
        any = true;
    }
    if (!any)
        fprintf(stderr, "no such scenario; see --list\n");
    return any && good ? 0 : 1;
}
