/* config.h - prometheus.yml, parsed strictly: an unknown key is an error with file:line.
 *
 * FEATURES.md section 5. Sections without effect so far are named in one log line.
 * Immutable once loaded; any thread.
 */
#ifndef FERULA_SERVER_CONFIG_CONFIG_H
#define FERULA_SERVER_CONFIG_CONFIG_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "server/otlp/options.h"

typedef struct config config;

/* path NULL: the defaults. FER_INVALID with "file:line: what" for content, FER_IO or FER_NOTFOUND for
 * the file. The caller owns *ret: config_free(). */
FER_MUST_CHECK fer_code config_load(const char *path, fer_log *log, const config **ret,
                                    fer_err *err);
/* Another reference; config_free() drops one, the last frees. */
const config *config_ref(const config *c);
void config_free(const config *c); /* NULL is fine */

int64_t config_evaluation_interval_ms(const config *c);
/* storage.tsdb.retention; 0: not given. */
typedef struct config_retention {
    int64_t time_ms;
    uint64_t bytes;
    double percentage; /* of the file system, up to 100 */
} config_retention;
config_retention config_retention_of(const config *c);
/* storage.tsdb.out_of_order_time_window; 0 where it does not say, or is less. */
int64_t config_ooo_window_ms(const config *c);
/* storage.exemplars.max_exemplars; 100,000 where it does not say. */
int64_t config_max_exemplars(const config *c);
/* global.query_log_file, relative to the file's directory; empty: none. */
fer_str config_query_log_file(const config *c);
/* external_labels, sorted by name. */
typedef struct config_label {
    fer_str name, value;
} config_label;
size_t config_external_labels(const config *c, const config_label **ret);
/* The section otlp. Lives as long as c. */
const otlp_options *config_otlp(const config *c);
/* Patterns of the other files that it consists of, for config_files_sum(); NULL at the end, may be NULL. */
const char *const *config_watched(const config *c);
/* The YAML text of /api/v1/status/config: effective values as Prometheus prints them, secrets as
 * <secret>. Made when it is first asked for; *ret lives as long as c. FER_LIMIT: too long to be
 * shown; FER_INVALID: a path in it is no UTF-8. */
FER_MUST_CHECK fer_code config_yaml(const config *c, fer_str *ret, fer_err *err);

#endif
