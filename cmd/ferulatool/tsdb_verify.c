/* tsdb_verify.c - `tsdb verify`: a line for each finding; exit code 1 when there is one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/ferulatool/db_path.h"
#include "cmd/ferulatool/out.h"
#include "cmd/ferulatool/tsdb_commands.h"
#include "cmd/ferulatool/verify.h"

static void print_finding(void *arg, const char *file, uint64_t offset, const char *what)
{
    tool_out *o = arg;
    fer_buf_printf(&o->b, "%s: %" PRIu64 ": %s\n", file, offset, what);
    out_line(o);
}

int tsdb_verify_run(const cli_call *c)
{
    FER_CLEANUP(fer_arena_freep) fer_arena *a = fer_arena_new(NULL, 0);
    const char *dir = cli_arg_text(c, 0), *id = cli_arg_text(c, 1);
    fer_err err = {0};
    if (id != NULL)
        dir = fer_arena_printf(a, "%s/%s", dir, id).p;
    if (db_path_check(dir, &err) != FER_OK)
        return db_path_fail(&err);

    tool_out o;
    verify v;
    out_open(&o);
    verify_begin(&v, vfs_posix(), print_finding, &o);
    if (id != NULL)
        verify_block(&v, dir);
    else
        verify_dir(&v, dir);
    fer_buf_printf(&o.b,
                   "%" PRIu64 " blocks, %" PRIu64 " series, %" PRIu64 " chunks, %" PRIu64
                   " log segments, %" PRIu64 " records, %" PRIu64 " samples: %" PRIu64
                   " findings\n",
                   v.blocks, v.series, v.chunks, v.segments, v.records, v.samples, v.findings);
    verify_end(&v);
    return out_close(&o) && v.findings == 0 ? 0 : EXIT_FAILURE;
}
