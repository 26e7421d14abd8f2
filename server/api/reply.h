/* reply.h - the API's envelope: {"status":"success","data":...} and errors (FEATURES.md section 2). */
#ifndef FERULA_SERVER_API_REPLY_H
#define FERULA_SERVER_API_REPLY_H

#include "base/buf.h"
#include "server/http/http.h"
#include "tsdb/querier.h"

typedef enum api_error_type {
    API_BAD_DATA,       /* 400 */
    API_EXECUTION,      /* 422 */
    API_CANCELED,       /* 499 */
    API_TIMEOUT,        /* 503 */
    API_INTERNAL,       /* 500 */
    API_NOT_FOUND,      /* 404 */
    API_NOT_ACCEPTABLE, /* 406 */
    API_UNAVAILABLE,    /* 500 */
} api_error_type;

#define API_JSON "application/json"
#define API_TRUNCATED STR("results truncated due to limit")

void api_error(http_req *r, api_error_type type, const char *fmt, ...) FER_PRINTF(3, 4);
/* An execution error's envelope by its code: canceled, timeout, internal, else execution. */
void api_exec_error(http_req *r, fer_code code, const fer_err *err);

/* A small answer built in one buffer: begin, append the data's JSON, end. */
void api_begin(fer_buf *out);
/* warnings may be NULL. Sends, and leaves out empty. */
void api_end(http_req *r, fer_buf *out, const str_list *warnings);
/* Sends a fixed data text. */
void api_data(http_req *r, const char *json);
/* Appends ,"warnings":[...] (or infos): at most 10, then the count of the rest. */
void api_put_notes(fer_buf *out, const char *key, const str_list *notes);
/* Appends ["a","b"]. */
void api_put_strings(fer_buf *out, const str_list *l);
/* Milliseconds as seconds: 1700000000 or 1700000000.120. Writes to buf (not NUL-terminated) and returns
 * the length. */
enum { API_TIME_MAX = 24 };
size_t api_format_time(char *buf, int64_t ms);
void api_put_time(fer_buf *out, int64_t ms);
/* A wall time as RFC 3339 in UTC with milliseconds; the text is in buf. */
enum { API_TIME_TEXT_MAX = 40 };
fer_str api_time_text(int64_t ms, char buf[API_TIME_TEXT_MAX]);

#endif
