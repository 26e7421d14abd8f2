/* head_dict.c - texts in 256 KiB blocks, records in blocks of their own, tables by keyed hash.
 *
 * A text is its length (one byte below 128; else three: 7 bits with the top bit set, then 16 bits
 * little-endian) and its bytes, at a multiple of 4 bytes.
 */
#include "tsdb/head/head_dict.h"

#include <assert.h>
#include <string.h>

enum {
    TEXT_BLOCK_BYTES = 256 * 1024,
    NAME_BLOCK_BYTES = DICT_NAME_BLOCK * sizeof(dict_name),
    PAIR_BLOCK_BYTES = DICT_PAIR_BLOCK * sizeof(dict_pair),
    TEXT_UNIT = 4
};

void head_dict_init(head_dict *d, const fer_hash_key *key, fer_account *acct)
{
    memset(d, 0, sizeof *d);
    d->key = key;
    d->acct = acct;
    head_table_init(&d->by_name, acct);
    head_table_init(&d->by_pair, acct);
    slab_init(&d->posts, acct);
}

void head_dict_done(head_dict *d)
{
    for (uint32_t i = 0; i < d->n_names; i++)
        fer_free(dict_name_of(d, i)->pairs);
    blockdir_done(&d->texts, TEXT_BLOCK_BYTES);
    blockdir_done(&d->names, 0);
    blockdir_done(&d->pairs, PAIR_BLOCK_BYTES);
    head_table_done(&d->by_name);
    head_table_done(&d->by_pair);
    slab_done(&d->posts);
    fer_account_release(d->acct, (size_t)(d->bytes_text + d->bytes_index));
}

static void add_block(head_dict *d, blockdir *dir, void *block, size_t bytes, int64_t *part)
{
    fer_account_force(d->acct, bytes);
    *part += (int64_t)bytes;
    blockdir_put(dir, block);
}

static void add_page_block(head_dict *d, blockdir *dir, size_t bytes, int64_t *part)
{
    add_block(d, dir, fer_pages_alloc(bytes), bytes, part);
}

static dict_text add_text(head_dict *d, fer_str s)
{
    assert(s.n <= DICT_TEXT_MAX);
    uint32_t head = s.n < 0x80 ? 1 : 3;
    if (d->texts.n == 0 || d->text_used + head + s.n > TEXT_BLOCK_BYTES) {
        add_page_block(d, &d->texts, TEXT_BLOCK_BYTES, &d->bytes_text);
        d->text_used = 0;
    }
    uint32_t number = d->texts.n - 1;
    uint8_t *p = (uint8_t *)blockdir_get(&d->texts, number) + d->text_used;
    dict_text ret = number << 16 | d->text_used / TEXT_UNIT;
    if (head == 1) {
        p[0] = (uint8_t)s.n;
    } else {
        p[0] = (uint8_t)(s.n | 0x80);
        p[1] = (uint8_t)(s.n >> 7);
        p[2] = (uint8_t)(s.n >> 15);
    }
    if (s.n != 0)
        memcpy(p + head, s.p, s.n);
    uint32_t end = d->text_used + head + (uint32_t)s.n;
    d->text_used = (end + TEXT_UNIT - 1) / TEXT_UNIT * TEXT_UNIT;
    return ret;
}

static uint64_t hash_name(const head_dict *d, fer_str name)
{
    return fer_hash_keyed(d->key, name.p, name.n).lo;
}

uint64_t dict_pair_hash(const head_dict *d, uint32_t name, fer_str value)
{
    return fer_hash_mix(fer_hash_keyed(d->key, value.p, value.n).lo, name);
}

uint32_t dict_name_find(const head_dict *d, fer_str name)
{
    table_probe probe = head_table_probe(&d->by_name, hash_name(d, name));
    uint32_t id;
    while ((id = table_probe_next(&probe)) != TABLE_NONE)
        if (str_eq(dict_name_text(d, id), name))
            return id;
    return DICT_NONE;
}

static uint32_t find_hashed(const head_dict *d, uint64_t hash, uint32_t name, fer_str value)
{
    table_probe probe = head_table_probe(&d->by_pair, hash);
    uint32_t id;
    while ((id = table_probe_next(&probe)) != TABLE_NONE) {
        const dict_pair *p = dict_pair_of(d, id);
        if (p->name == name && str_eq(dict_text_of(d, p->value), value))
            return id;
    }
    return DICT_NONE;
}

uint32_t dict_pair_find(const head_dict *d, uint32_t name, fer_str value)
{
    return find_hashed(d, dict_pair_hash(d, name, value), name, value);
}

uint32_t dict_name_make(head_dict *d, fer_str text)
{
    uint32_t id = dict_name_find(d, text);
    if (id != DICT_NONE)
        return id;
    id = d->n_names;
    if (id % DICT_NAME_BLOCK == 0)
        add_block(d, &d->names, fer_alloc(NAME_BLOCK_BYTES), NAME_BLOCK_BYTES, &d->bytes_index);
    *dict_name_of(d, id) = (dict_name){.text = add_text(d, text)};
    d->n_names++;
    head_table_insert(&d->by_name, hash_name(d, text), id);
    return id;
}

static void name_add_pair(head_dict *d, dict_name *name, uint32_t pair)
{
    if (name->n == name->cap) {
        uint32_t cap = name->cap < 4 ? 4 : name->cap + name->cap / 4;
        name->pairs = fer_realloc(name->pairs, cap * sizeof *name->pairs);
        fer_account_force(d->acct, (cap - name->cap) * sizeof *name->pairs);
        d->bytes_index += (int64_t)((cap - name->cap) * sizeof *name->pairs);
        name->cap = cap;
    }
    name->pairs[name->n++] = pair;
}

void dict_name_reorder(head_dict *d, uint32_t name, const uint32_t *pairs, uint32_t n,
                       uint32_t in_order)
{
    dict_name *nm = dict_name_of(d, name);
    assert(n <= nm->n && in_order <= n);
    memcpy(nm->pairs, pairs, n * sizeof *pairs);
    nm->in_order = in_order;
    nm->reorders++;
}

uint32_t dict_pair_make(head_dict *d, fer_str name_text, fer_str value)
{
    uint32_t name = dict_name_make(d, name_text);
    return dict_pair_make_hashed(d, name, dict_pair_hash(d, name, value), value);
}

uint32_t dict_pair_make_hashed(head_dict *d, uint32_t name, uint64_t hash, fer_str value)
{
    uint32_t id = find_hashed(d, hash, name, value);
    if (id != DICT_NONE)
        return id;
    id = d->n_pairs;
    if (id % DICT_PAIR_BLOCK == 0)
        add_page_block(d, &d->pairs, PAIR_BLOCK_BYTES, &d->bytes_index);
    *dict_pair_of(d, id) = (dict_pair){.name = name, .value = add_text(d, value)};
    d->n_pairs++;
    head_table_insert(&d->by_pair, hash, id);
    name_add_pair(d, dict_name_of(d, name), id);
    return id;
}

size_t dict_bytes_needed(const head_dict *d, labels ls)
{
    size_t text = 0;
    for (size_t i = 0; i < ls.n; i++)
        text += ls.l[i].name.n + ls.l[i].value.n + 2 * (3 + TEXT_UNIT);
    size_t blocks = d->texts.n == 0 || d->text_used + text > TEXT_BLOCK_BYTES;
    size_t left = DICT_PAIR_BLOCK - d->n_pairs % DICT_PAIR_BLOCK;
    size_t pairs = left == DICT_PAIR_BLOCK || ls.n > left ? PAIR_BLOCK_BYTES : 0;
    return blocks * TEXT_BLOCK_BYTES + pairs;
}

int64_t head_dict_label_bytes(const head_dict *d)
{
    return d->bytes_text;
}

int64_t head_dict_index_bytes(const head_dict *d)
{
    return d->bytes_index + d->by_name.bytes + d->by_pair.bytes +
           atomic_load_explicit(&d->posts.bytes, memory_order_relaxed);
}
