#include "cmd/ferulatool/out.h"

#include <stdio.h>

enum { PIECE_BYTES = 64 * 1024 };

void out_open(tool_out *o)
{
    *o = (tool_out){0};
    fer_buf_init(&o->b, SIZE_MAX / 2, NULL);
}

static void flush(tool_out *o)
{
    if (o->b.n != 0 && fwrite(o->b.p, 1, o->b.n, stdout) != o->b.n)
        o->failed = true;
    fer_buf_clear(&o->b);
}

void out_line(tool_out *o)
{
    if (o->b.n >= PIECE_BYTES)
        flush(o);
}

bool out_close(tool_out *o)
{
    flush(o);
    fer_buf_done(&o->b);
    if (fflush(stdout) != 0 || o->failed) {
        fputs("standard output could not be written\n", stderr);
        return false;
    }
    return true;
}
