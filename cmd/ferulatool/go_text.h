/* go_text.h - text as Go's standard library prints it, where promtool does. Threads: any. */
#ifndef FERULA_CMD_FERULATOOL_GO_TEXT_H
#define FERULA_CMD_FERULATOOL_GO_TEXT_H

#include "base/buf.h"

/* time.Duration of so many milliseconds: "2h0m0s", "39m0.001s", "250ms". Beyond 292 years it wraps, as there. */
void go_duration(fer_buf *out, int64_t ms);
/* time.Time in UTC: "2023-11-15 00:00:00 +0000 UTC"; milliseconds are cut off. */
void go_time(fer_buf *out, int64_t ms);

#endif
