/* text.h - quoted strings and durations as Go and Prometheus write them. */
#ifndef FERULA_BASE_TEXT_H
#define FERULA_BASE_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends strconv.Quote(s). */
void text_quote(fer_buf *out, fer_str s);

/* Appends a JSON string (quotes included) as Go's encoding/json does: <, >, & and U+2028/9 escaped,
 * invalid UTF-8 replaced by \ufffd. */
void text_json(fer_buf *out, fer_str s);

/* Prometheus duration (model.ParseDuration): "0", or y w d h m s ms units in descending order, each
 * once, e.g. "1h30m". Milliseconds. FER_INVALID with Prometheus' text otherwise
 * (`not a valid duration string: "x"`, `empty duration string`, `duration out of range`). */
FER_MUST_CHECK fer_code text_parse_duration(fer_str s, int64_t *ret_ms, fer_err *err);
/* model.Duration.String(): "1h30m", "0s", "15d", "1w"; appends. */
void text_format_duration(fer_buf *out, int64_t ms);

/* Edit distance (Levenshtein) for "did you mean"; both at most 64 bytes, else a large number. */
size_t text_distance(fer_str a, fer_str b);

#endif
