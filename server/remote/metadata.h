/* metadata.h - type, help and unit of metric families, as senders tell them.
 *
 * One entry a family, the newest wins. Bounded: beyond METADATA_FAMILIES_MAX or the account's budget
 * new families are left out (metadata is advice, never worth refusing samples for).
 * Threads: any.
 */
#ifndef FERULA_SERVER_REMOTE_METADATA_H
#define FERULA_SERVER_REMOTE_METADATA_H

#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"

enum { METADATA_FAMILIES_MAX = 100000, METADATA_TEXT_BYTES_MAX = 4096 };

typedef struct metadata_store metadata_store;

typedef struct metadata_family {
    fer_str family;
    uint32_t type; /* prometheus.MetricMetadata.MetricType */
    fer_str help, unit;
} metadata_family;

metadata_store *metadata_store_new(fer_account *acct);
void metadata_store_free(metadata_store *s);
/* Copies the texts, cut at METADATA_TEXT_BYTES_MAX. */
void metadata_store_put(metadata_store *s, const metadata_family *m);
/* Calls fn for each family in name order until it returns false, under the store's lock; with a
 * `family` that is not empty for this one only. */
void metadata_store_each(metadata_store *s, fer_str family,
                         bool (*fn)(void *arg, const metadata_family *m), void *arg);
/* "counter", "gauge", ... as the API writes them; "unknown" for what is not known. */
const char *metadata_type_name(uint32_t type);

#endif
