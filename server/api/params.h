/* params.h - API parameters: times, durations, limits, in Prometheus' forms and error texts.
 *
 * Source: FEATURES.md section 2 "Parameter parsing", BEHAVIOUR.md. Times clamp to int64 milliseconds
 * and never overflow. Any thread.
 */
#ifndef FERULA_SERVER_API_PARAMS_H
#define FERULA_SERVER_API_PARAMS_H

#include "server/http/http.h"

/* The least and greatest times the API knows (Go's minTime and maxTime), in ms. */
#define API_MIN_TIME_MS (INT64_MIN + 62135596801000)
#define API_MAX_TIME_MS (INT64_MAX - 62135596801000)

/* "1700000000.5" or RFC 3339 -> ms. FER_INVALID `cannot parse "x" to a valid timestamp`. */
FER_MUST_CHECK fer_code api_parse_time(fer_str s, int64_t *ret_ms, fer_err *err);
/* "60", "0.5", "1m30s" -> ms. FER_INVALID `cannot parse "x" to a valid duration`. */
FER_MUST_CHECK fer_code api_parse_duration(fer_str s, int64_t *ret_ms, fer_err *err);

/* The named parameter, or the default when absent or empty. FER_INVALID with the text of the API's
 * error: `invalid parameter "start": invalid time value for 'start': cannot parse ...`. */
FER_MUST_CHECK fer_code api_time_param(http_req *r, const char *name, int64_t def_ms,
                                       int64_t *ret_ms, fer_err *err);
/* A decimal number; a failure is told in the words of Go's strconv and its function. */
FER_MUST_CHECK fer_code api_int_param(fer_str s, const char *function, int64_t *ret, fer_err *err);
/* Whether s is the word, given in lower case, in any case. */
bool api_is_word(fer_str s, const char *word);
/* What Go's strconv.ParseBool takes: 1, t, true, 0, F, FALSE... */
bool api_parse_bool(fer_str s, bool *ret);
/* `limit`: 0 = none. */
FER_MUST_CHECK fer_code api_limit_param(http_req *r, uint64_t *ret, fer_err *err);

#endif
