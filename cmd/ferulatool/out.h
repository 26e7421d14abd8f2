/* out.h - standard output in large pieces. Threads: one.
 *
 * A failed write (a full disk) is kept and told by out_close().
 */
#ifndef FERULA_CMD_FERULATOOL_OUT_H
#define FERULA_CMD_FERULATOOL_OUT_H

#include "base/buf.h"

typedef struct tool_out {
    fer_buf b;
    bool failed;
} tool_out;

void out_open(tool_out *o);
/* Call after each line or so: writes when enough has gathered. */
void out_line(tool_out *o);
/* Writes the rest. False, told on standard error, when not all could be written. */
bool out_close(tool_out *o);

#endif
