/* text.h - quoted strings and durations as Go and Prometheus write them. */
#ifndef FERULA_BASE_TEXT_H
#define FERULA_BASE_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends strconv.Quote(s). */
void text_quote(fer_buf *out, fer_str s);
/* Whether text_quote writes the code point as it is (nearly strconv.IsPrint; see text.c). */
bool text_printable(uint32_t rune);

/* Appends a JSON string (quotes included) as Go's encoding/json does: <, >, & and U+2028/9 escaped,
 * invalid UTF-8 replaced by \ufffd. */
void text_json(fer_buf *out, fer_str s);
/* Appends a JSON string as Prometheus writes label names and values, and log lines: only quotes,
 * backslashes and controls escaped (no \b, \f), invalid UTF-8 replaced by U+FFFD itself. */
void text_json_plain(fer_buf *out, fer_str s);

/* Prometheus duration (model.ParseDuration): "0", or y w d h m s ms units in descending order, each
 * once, e.g. "1h30m". Milliseconds. FER_INVALID with Prometheus' text otherwise
 * (`not a valid duration string: "x"`, `unknown unit "x" in duration "1x"`, `empty duration
 * string`, `duration out of range`: beyond 2^63 ns). */
FER_MUST_CHECK fer_code text_parse_duration(fer_str s, int64_t *ret_ms, fer_err *err);
/* model.Duration.String(): "1h30m", "0s", "15d", "1w"; appends. Years and weeks
 * only when nothing smaller remains. A negative one has a minus sign in front. */
void text_format_duration(fer_buf *out, int64_t ms);
/* "512MB", "1.5GiB", "1MiB512KiB" for their sum, "0": units are powers of 1024. False for anything else. */
bool text_parse_bytes(fer_str text, uint64_t *ret);
/* "1GiB512MiB"; "0B" for none. */
void text_format_bytes(fer_buf *out, int64_t bytes);

/* Edit distance (Levenshtein) for "did you mean"; both at most 64 bytes, else a large number. */
size_t text_distance(fer_str a, fer_str b);

#endif
