/* log.h - structured log lines as Prometheus 3 writes them (Go's slog): logfmt or JSON.
 *
 *   time=2026-01-02T03:04:05.678Z level=INFO source=file.c:12 msg="..." key=value
 *
 * Only cmd/ and server/ create loggers; the store is given one and reports events that no caller
 * would see (a damaged record skipped, background work). Threads: any; a line is written whole.
 */
#ifndef FERULA_BASE_LOG_H
#define FERULA_BASE_LOG_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

typedef enum fer_log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } fer_log_level;
typedef enum fer_log_format { LOG_LOGFMT, LOG_JSON } fer_log_format;

typedef struct fer_log fer_log;

/* Writes to fd (not closed). The caller owns it: fer_log_free(). */
fer_log *fer_log_new(int fd, fer_log_level level, fer_log_format format, fer_clock *clock);
void fer_log_free(fer_log *l);

/* Alternating key, value C strings after msg, ended by NULL: fer_log_kv(l, LOG_INFO, "start",
 * "path", p, NULL). A NULL logger drops the line. Use LOGI and friends. */
void fer_log_kv(fer_log *l, fer_log_level level, const char *file, int line, const char *msg, ...)
    __attribute__((sentinel));

#define LOGD(l, ...) fer_log_kv((l), LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__, (char *)0)
#define LOGI(l, ...) fer_log_kv((l), LOG_INFO, __FILE__, __LINE__, __VA_ARGS__, (char *)0)
#define LOGW(l, ...) fer_log_kv((l), LOG_WARN, __FILE__, __LINE__, __VA_ARGS__, (char *)0)
#define LOGE(l, ...) fer_log_kv((l), LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__, (char *)0)

/* Short-lived text of a number for a log value: a compound literal's buffer lives to the end of the
 * enclosing block. */
#define LOG_INT(v) fer_log_int((char[24]){0}, (int64_t)(v))
const char *fer_log_int(char buf[24], int64_t v);
#define LOG_STR(s) fer_log_str((char[256]){0}, (s))
const char *fer_log_str(char buf[256], fer_str s); /* cut at 255 bytes */

#endif
