/* metadata.h - type, help and unit of metric families, as senders tell them.
 *
 * One entry a family, the newest wins; durable through the log, as soon as it knows a series of the family. Bounded: beyond METADATA_FAMILIES_MAX or the account's budget
 * new families are left out (metadata is advice, never worth refusing samples for).
 * Threads: any.
 */
#ifndef FERULA_SERVER_REMOTE_METADATA_H
#define FERULA_SERVER_REMOTE_METADATA_H

#include <stdint.h>

#include "base/mem.h"
#include "tsdb/family.h"

enum { METADATA_FAMILIES_MAX = 100000, METADATA_TEXT_BYTES_MAX = 4096 };

typedef struct metadata_store metadata_store;

metadata_store *metadata_store_new(fer_account *acct);
void metadata_store_free(metadata_store *s);
/* Copies the texts, cut at METADATA_TEXT_BYTES_MAX. */
void metadata_store_put(metadata_store *s, const metadata_family *m);
/* The same for n of them. Those that are not in the log yet come to the front of the array, their texts cut likewise; returns how many.
 * When they are staged metadata_store_staged() takes notice of what was logged. */
size_t metadata_store_put_all(metadata_store *s, metadata_family *v, size_t n);
void metadata_store_staged(metadata_store *s, const metadata_family *v, size_t n);
/* The log has forgotten series, and what it told of families with them: all are to be logged again. */
void metadata_store_log_again(metadata_store *s);
/* Calls fn for each family in name order until it returns false, under the store's lock; with a
 * `family` that is not empty for this one only. */
void metadata_store_each(metadata_store *s, fer_str family,
                         bool (*fn)(void *arg, const metadata_family *m), void *arg);
/* "counter", "gauge", ... as the API writes them; "unknown" for what is not known. */
const char *metadata_type_name(uint32_t type);

#endif
