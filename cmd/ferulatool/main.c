/* main.c - ferulatool, Ferula's promtool. */
#include "base/map_guard.h"
#include "cmd/ferulatool/check_commands.h"
#include "cmd/ferulatool/inspect.h"
#include "cmd/ferulatool/tsdb_commands.h"

static const cli_group groups[] = {
    {"check", "Check the resources for validity."},
    {"tsdb", "Run tsdb commands."},
    {"tsdb inspect",
     "Show what the files of a data directory hold, also of a live or a damaged one."},
};

static const cli_command *const families[] = {
    check_commands,
    tsdb_commands,
    inspect_commands,
};

int main(int argc, char **argv)
{
    static const cli_program program = {
        .name = "ferulatool",
        .help = "Tooling for Ferula, and for Prometheus' data directories.",
        .version = "0.1.0",
        .groups = groups,
        .n_groups = sizeof groups / sizeof *groups,
        .families = families,
        .n_families = sizeof families / sizeof *families,
    };
    map_guard_install();
    return cli_main(&program, argc, argv);
}
