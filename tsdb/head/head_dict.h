/* head_dict.h - the head's label dictionary: names, and pairs of name and value, by dense ids.
 *
 * A series' labels are an array of pair ids (head_series.h); a pair knows its name, its value's text and
 * its postings. Texts, names and pairs never move and are never changed, so that a reader who learned an
 * id under the lock reads them without it; postings and counts belong to the lock.
 *
 * Threads: everything under the head's lock but dict_name_text, dict_pair_name and dict_pair_value.
 */
#ifndef FERULA_TSDB_HEAD_DICT_H
#define FERULA_TSDB_HEAD_DICT_H

#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "tsdb/block/blockdir.h"
#include "tsdb/head/head_postings.h"
#include "tsdb/head/head_table.h"
#include "tsdb/labels.h"

enum { DICT_NAME_BLOCK = 64, DICT_PAIR_BLOCK = 1024, DICT_TEXT_MAX = 256 * 1024 - 8 };
#define DICT_NONE UINT32_MAX

typedef uint32_t dict_text; /* a text in the arena: block number, then 4-byte unit */

typedef struct dict_name {
    dict_text text;
    uint32_t n, cap;
    uint32_t in_order; /* so many first pairs are in the order of their values */
    uint32_t *pairs;   /* the others: new ones come last */
    uint32_t reorders; /* how often they have changed places */
} dict_name;

typedef struct dict_pair {
    uint32_t name;
    dict_text value;
    postings post;
} dict_pair;

typedef struct head_dict {
    const fer_hash_key *key;
    fer_account *acct;
    blockdir texts, names, pairs;
    uint32_t text_used; /* bytes of the newest text block */
    uint32_t n_names, n_pairs;
    head_table by_name, by_pair;
    slab posts;
    int64_t bytes_text, bytes_index; /* of blocks; tables and slab tell their own */
} head_dict;

void head_dict_init(head_dict *d, const fer_hash_key *key, fer_account *acct);
void head_dict_done(head_dict *d);

/* DICT_NONE when not known. */
uint32_t dict_name_find(const head_dict *d, fer_str name);
uint32_t dict_pair_find(const head_dict *d, uint32_t name, fer_str value);
/* Found or created; copies the texts, each of at most DICT_TEXT_MAX bytes. */
uint32_t dict_pair_make(head_dict *d, fer_str name, fer_str value);
/* Puts the first n pairs of a name, which are these, in this order: the first `in_order` by value. */
void dict_name_reorder(head_dict *d, uint32_t name, const uint32_t *pairs, uint32_t n,
                       uint32_t in_order);

/* The same in steps: a name, the hash of a pair, the pair. */
uint32_t dict_name_make(head_dict *d, fer_str name);
uint64_t dict_pair_hash(const head_dict *d, uint32_t name, fer_str value);
uint32_t dict_pair_make_hashed(head_dict *d, uint32_t name, uint64_t hash, fer_str value);
/* Asks for what a look at the pair of that hash needs first. */
static inline void dict_pair_prefetch(const head_dict *d, uint64_t hash)
{
    head_table_prefetch(&d->by_pair, hash);
}

/* Whole blocks that making these labels would add. */
size_t dict_bytes_needed(const head_dict *d, labels ls);

static inline const uint8_t *dict_text_bytes(const head_dict *d, dict_text text)
{
    return (const uint8_t *)blockdir_get(&d->texts, text >> 16) + (size_t)(text & 0xffff) * 4;
}

static inline void dict_text_prefetch(const head_dict *d, dict_text text)
{
    const uint8_t *p = dict_text_bytes(d, text);
    __builtin_prefetch(p);
    __builtin_prefetch(p + 32); /* often in the next line */
}

static inline fer_str dict_text_of(const head_dict *d, dict_text text)
{
    const uint8_t *p = dict_text_bytes(d, text);
    uint32_t n = p[0];
    if (n < 0x80)
        return (fer_str){(const char *)p + 1, n};
    n = (n & 0x7f) | (uint32_t)p[1] << 7 | (uint32_t)p[2] << 15;
    return (fer_str){(const char *)p + 3, n};
}

static inline dict_name *dict_name_of(const head_dict *d, uint32_t id)
{
    return (dict_name *)blockdir_get(&d->names, id / DICT_NAME_BLOCK) + id % DICT_NAME_BLOCK;
}

static inline dict_pair *dict_pair_of(const head_dict *d, uint32_t id)
{
    return (dict_pair *)blockdir_get(&d->pairs, id / DICT_PAIR_BLOCK) + id % DICT_PAIR_BLOCK;
}

static inline fer_str dict_name_text(const head_dict *d, uint32_t name)
{
    return dict_text_of(d, dict_name_of(d, name)->text);
}

static inline fer_str dict_pair_name(const head_dict *d, uint32_t pair)
{
    return dict_name_text(d, dict_pair_of(d, pair)->name);
}

static inline fer_str dict_pair_value(const head_dict *d, uint32_t pair)
{
    return dict_text_of(d, dict_pair_of(d, pair)->value);
}

/* Bytes held for texts and records, and for tables and postings. */
int64_t head_dict_label_bytes(const head_dict *d);
int64_t head_dict_index_bytes(const head_dict *d);

#endif
