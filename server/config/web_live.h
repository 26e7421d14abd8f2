/* web_live.h - the web configuration as its file now says: read again when the file has changed.
 *
 * As in exporter-toolkit there is no falling back: while the file cannot be read or is wrong, there is no configuration, and
 * requests are refused.
 *
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_CONFIG_WEB_LIVE_H
#define FERULA_SERVER_CONFIG_WEB_LIVE_H

#include "server/config/web_config.h"

typedef struct web_live web_live;

/* Reads nothing yet. `path` is copied. */
web_live *web_live_new(const char *path);
void web_live_free(web_live *l); /* NULL is fine */

/* Costs a stat() when nothing has changed. *ret is valid until the next call; *ret_generation is another number after each
 * change and may be NULL. The error is that of web_config_load(). */
FER_MUST_CHECK fer_code web_live_get(web_live *l, const web_config **ret, uint64_t *ret_generation,
                                     fer_err *err);
/* "web.yml", or "web.yml:7" where the last error has a line. Valid until the next web_live_get(). */
const char *web_live_place(const web_live *l);

#endif
