/* value.h - an attribute's value (AnyValue) as text.
 *
 * Text as it is; true, false; integers; floats and lists and maps as JSON (keys sorted), bytes in base64: what
 * Prometheus makes of them.
 * Threads: any.
 */
#ifndef FERULA_SERVER_OTLP_VALUE_H
#define FERULA_SERVER_OTLP_VALUE_H

#include "base/arena.h"
#include "base/err.h"

enum { OTLP_VALUE_DEPTH_MAX = 32 };

/* In the arena, or a view into msg. FER_CORRUPT: msg is no AnyValue, or nested deeper than the limit. */
FER_MUST_CHECK fer_code otlp_value_text(fer_str msg, fer_arena *a, fer_str *ret);

/* The fields of a KeyValue message. FER_CORRUPT when it is none. */
FER_MUST_CHECK fer_code otlp_key_value(fer_str msg, fer_str *ret_key, fer_str *ret_value);

#endif
