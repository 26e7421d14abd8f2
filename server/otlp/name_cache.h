/* name_cache.h - translated names of metrics, from request to request.
 *
 * A table of fixed size in which a new name takes the place of another.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_OTLP_NAME_CACHE_H
#define FERULA_SERVER_OTLP_NAME_CACHE_H

#include "base/hash.h"
#include "base/str.h"

typedef struct otlp_name_cache otlp_name_cache;

otlp_name_cache *otlp_name_cache_new(void);
void otlp_name_cache_free(otlp_name_cache *c); /* NULL is fine */

/* The name that was put under the key; empty when there is none. Valid until the next put. */
fer_str otlp_name_cache_get(const otlp_name_cache *c, fer_hash128 key);
/* Copies the name; long ones are not kept. */
void otlp_name_cache_put(otlp_name_cache *c, fer_hash128 key, fer_str name);

#endif
