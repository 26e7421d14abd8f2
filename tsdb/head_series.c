/* head_series.c - slots, their labels, and the ways to find them.
 *
 * A series' labels are a varint count and that many varint pair ids, in label order; equal sets have equal
 * bytes, which is what the table of canonical sets compares. Refs are consecutive within a block as a rule
 * and then cost nothing; a block that has a gap keeps them in full.
 */
#include <assert.h>
#include <string.h>

#include "base/varint.h"
#include "tsdb/head.h"

enum {
    CACHE_LINE = 64,
    SLOT_BLOCK_BYTES = SLOT_BLOCK * (sizeof(stage_rec) + sizeof(pub_rec)) + CACHE_LINE,
    /* What a new series takes beside its label text, with the tables' growth; generous. */
    SERIES_BYTES_GUESS = 1024
};

void head_init(head *h, fer_account *parent, int64_t limit_bytes, int64_t chunk_range_ms,
               const fer_hash_key *key, fer_log *log)
{
    memset(h, 0, sizeof *h);
    h->key = *key;
    h->log = log;
    h->chunk_range_ms = chunk_range_ms;
    h->min_valid_time = INT64_MIN;
    h->min_time = INT64_MAX;
    h->max_time = INT64_MIN;
    h->staged_max = INT64_MIN;
    h->slots_in_ref_order = true;
    h->readers.next = h->readers.prev = &h->readers;
    fer_account_init(&h->acct, "head", parent, limit_bytes);
    fer_mutex_init(&h->publish, "head.publish", RANK_HEAD_PUBLISH);
    fer_mutex_init(&h->mu, "head", RANK_HEAD);
    slab_init(&h->chunks, &h->acct);
    slab_init(&h->labels, &h->acct);
    head_dict_init(&h->dict, &h->key, &h->acct);
    head_table_init(&h->by_fp, &h->acct);
    head_table_init(&h->by_labels, &h->acct);
}

static void charge_series(head *h, size_t bytes)
{
    fer_account_force(&h->acct, bytes);
    h->bytes_series += (int64_t)bytes;
}

void head_done(head *h)
{
    assert(h->readers.next == &h->readers);
    for (uint32_t i = 0; i < h->blocks.n; i++) {
        slot_block *b = blockdir_get(&h->blocks, i);
        fer_free(b->refs);
        fer_free(b->memory);
    }
    blockdir_done(&h->blocks);
    fer_free(h->aliases.a);
    fer_free(h->aliases.bucket);
    fer_free(h->retired);
    fer_account_release(&h->acct, h->cap_gone * sizeof *h->gone);
    fer_free(h->gone);
    assert(h->n_left_maps == 0);
    fer_free(h->left_maps);
    chunks_head_close(h->files);
    fer_account_release(&h->acct, (size_t)h->bytes_series);
    head_table_done(&h->by_fp);
    head_table_done(&h->by_labels);
    head_dict_done(&h->dict);
    slab_done(&h->labels);
    slab_done(&h->chunks);
    fer_account_release(&h->acct, h->cap_retired * sizeof *h->retired);
    fer_mutex_done(&h->mu);
    fer_mutex_done(&h->publish);
}

/* ---- labels ---- */

void head_pair_ids(const head *h, uint32_t slot, uint32_t *ids, size_t *ret_n)
{
    pair_cursor c = head_pairs(h, head_pub_rec(h, slot)->labels);
    size_t n = 0;
    while (pair_cursor_next(&c, &ids[n]))
        n++;
    *ret_n = n;
}

labels head_labels(const head *h, uint32_t slot, label *l)
{
    pair_cursor c = head_pairs(h, head_pub_rec(h, slot)->labels);
    size_t n = 0;
    for (uint32_t pair; pair_cursor_next(&c, &pair); n++)
        l[n] = (label){dict_pair_name(&h->dict, pair), dict_pair_value(&h->dict, pair)};
    return (labels){l, n};
}

static bool is_pair(const head *h, uint32_t pair, const label *l)
{
    return str_eq(dict_pair_value(&h->dict, pair), l->value) &&
           str_eq(dict_pair_name(&h->dict, pair), l->name);
}

/* Label sets met one after another have most pairs in common, in the same places. */
static uint32_t find_pair(head *h, size_t place, const label *l)
{
    if (place < HEAD_RECENT && h->recent[place] < h->dict.n_pairs &&
        is_pair(h, h->recent[place], l))
        return h->recent[place];
    uint32_t name = dict_name_find(&h->dict, l->name);
    return name == DICT_NONE ? DICT_NONE : dict_pair_find(&h->dict, name, l->value);
}

static size_t encode_pairs(const uint32_t *ids, size_t n, uint8_t *out)
{
    size_t used = uvarint_put(out, n);
    for (size_t i = 0; i < n; i++)
        used += uvarint_put(out + used, ids[i]);
    return used;
}

static uint64_t hash_pairs(const head *h, const uint8_t *bytes, size_t n)
{
    return fer_hash_keyed(&h->key, bytes, n).lo;
}

static uint32_t find_encoded(const head *h, const uint8_t *bytes, size_t n, uint64_t hash)
{
    table_probe probe = head_table_probe(&h->by_labels, hash);
    uint32_t slot;
    while ((slot = table_probe_next(&probe)) != TABLE_NONE) {
        slab_ref other = head_pub_rec(h, slot)->labels;
        if (slab_size(&h->labels, other) >= n && memcmp(slab_ptr(&h->labels, other), bytes, n) == 0)
            return slot;
    }
    return SLOT_NONE;
}

static fer_code check_sizes(labels ls, fer_err *err)
{
    if (ls.n > LABELS_MAX)
        return fer_fail(err, FER_LIMIT, "%zu labels, more than %d", ls.n, LABELS_MAX);
    for (size_t i = 0; i < ls.n; i++)
        if (ls.l[i].name.n > DICT_TEXT_MAX || ls.l[i].value.n > DICT_TEXT_MAX)
            return fer_fail(err, FER_LIMIT, "label text longer than %d bytes", DICT_TEXT_MAX);
    return FER_OK;
}

static void encode_key(const head *h, head_key *key)
{
    key->n = encode_pairs(key->ids, key->ls.n, key->bytes);
    key->hash = hash_pairs(h, key->bytes, key->n);
}

fer_code head_find_labels(head *h, labels ls, head_key *key, uint32_t *ret, fer_err *err)
{
    FER_TRY(check_sizes(ls, err));
    key->ls = ls;
    key->n = 0;
    bool known = true;
    for (size_t i = 0; i < ls.n; i++) {
        key->ids[i] = find_pair(h, i, &ls.l[i]);
        known = known && key->ids[i] != DICT_NONE;
        if (i < HEAD_RECENT && key->ids[i] != DICT_NONE)
            h->recent[i] = key->ids[i];
    }
    *ret = SLOT_NONE;
    if (known) {
        encode_key(h, key);
        *ret = find_encoded(h, key->bytes, key->n, key->hash);
    }
    return FER_OK;
}

/* ---- slots ---- */

static slot_block *new_block(head *h)
{
    slot_block *b = fer_calloc(1, sizeof *b);
    b->memory = fer_alloc(SLOT_BLOCK_BYTES);
    uintptr_t at = ((uintptr_t)b->memory + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    b->pub = (pub_rec *)at;
    b->stage = (stage_rec *)(b->pub + SLOT_BLOCK);
    charge_series(h, SLOT_BLOCK_BYTES + sizeof *b);
    blockdir_put(&h->blocks, b);
    return b;
}

/* Gives the block's refs room of their own, the first `n` being consecutive so far. */
static void spell_out_refs(head *h, slot_block *b, uint32_t n)
{
    b->refs = fer_alloc(SLOT_BLOCK * sizeof *b->refs);
    charge_series(h, SLOT_BLOCK * sizeof *b->refs);
    for (uint32_t i = 0; i < n; i++)
        b->refs[i] = b->ref_base + i;
}

static void set_ref(head *h, uint32_t slot, uint64_t ref)
{
    slot_block *b = head_block(h, slot);
    uint32_t i = slot % SLOT_BLOCK;
    if (i == 0)
        b->ref_base = ref;
    else if (b->refs == NULL && ref != b->ref_base + i)
        spell_out_refs(h, b, i);
    if (b->refs != NULL)
        b->refs[i] = ref;
    if (slot > 0 && ref < head_ref(h, slot - 1))
        h->slots_in_ref_order = false;
    if (ref > h->last_ref)
        h->last_ref = ref;
}

static uint32_t new_slot(head *h, uint64_t ref, slab_ref series_labels)
{
    uint32_t slot = h->n_slots;
    if (slot % SLOT_BLOCK == 0)
        new_block(h);
    set_ref(h, slot, ref != 0 ? ref : h->last_ref + 1);
    *head_stage_rec(h, slot) = (stage_rec){.t = SAMPLE_T_NONE};
    *head_pub_rec(h, slot) = (pub_rec){.labels = series_labels};
    h->n_slots++;
    h->count.series_created++;
    return slot;
}

bool head_has_room(head *h, labels ls)
{
    size_t need = SERIES_BYTES_GUESS + dict_bytes_needed(&h->dict, ls);
    if (h->n_slots % SLOT_BLOCK == 0)
        need += SLOT_BLOCK_BYTES;
    /* Those staged before it get their chunks when they are published. */
    need += (size_t)(h->n_slots - atomic_load_explicit(&h->published, memory_order_relaxed)) *
            OPEN_BYTES_FIRST;
    if (!fer_account_charge(&h->acct, need))
        return false;
    fer_account_release(&h->acct, need);
    return true;
}

static void make_missing_pairs(head *h, head_key *key)
{
    for (size_t i = 0; i < key->ls.n; i++) {
        if (key->ids[i] == DICT_NONE)
            key->ids[i] = dict_pair_make(&h->dict, key->ls.l[i].name, key->ls.l[i].value);
        if (i < HEAD_RECENT)
            h->recent[i] = key->ids[i];
    }
}

fer_code head_create(head *h, head_key *key, uint64_t ref, uint32_t *ret, fer_err *err)
{
    if (h->n_slots == SLOT_MAX)
        return fer_fail(err, FER_LIMIT, "more than %d series", SLOT_MAX);
    if (key->n == 0) {
        make_missing_pairs(h, key);
        encode_key(h, key);
    }
    slab_ref stored = slab_alloc(&h->labels, key->n);
    memcpy(slab_ptr(&h->labels, stored), key->bytes, key->n);
    uint32_t slot = new_slot(h, ref, stored);
    head_table_insert(&h->by_labels, key->hash, slot);
    for (size_t i = 0; i < key->ls.n; i++)
        postings_add(&h->dict.posts, &dict_pair_of(&h->dict, key->ids[i])->post, slot);
    *ret = slot;
    return FER_OK;
}

/* ---- fingerprints ---- */

static void grow_buckets(head *h)
{
    head_aliases *al = &h->aliases;
    uint32_t n = al->buckets == 0 ? 64 : al->buckets * 2;
    charge_series(h, (n - al->buckets) * sizeof *al->bucket);
    al->bucket = fer_realloc(al->bucket, n * sizeof *al->bucket);
    al->buckets = n;
    memset(al->bucket, 0xff, n * sizeof *al->bucket);
    for (uint32_t i = 0; i < al->n; i++) {
        uint32_t *b = &al->bucket[al->a[i].slot & (n - 1)];
        al->a[i].next = *b;
        *b = i;
    }
}

static void add_alias(head *h, uint32_t slot, fer_hash128 fp)
{
    head_aliases *al = &h->aliases;
    if (al->n == al->cap) {
        uint32_t cap = al->cap == 0 ? 64 : al->cap + al->cap / 2;
        charge_series(h, (cap - al->cap) * sizeof *al->a);
        al->a = fer_realloc(al->a, cap * sizeof *al->a);
        al->cap = cap;
    }
    if (al->n >= al->buckets)
        grow_buckets(h);
    uint32_t i = al->n++;
    uint32_t *b = &al->bucket[slot & (al->buckets - 1)];
    al->a[i] = (alias_rec){fp, slot, *b};
    *b = i;
    head_table_insert(&h->by_fp, head_fp_hash(fp), i | ALIAS_BIT);
}

/* Takes the alias out of the table and its bucket; the last one moves to its place. */
static void remove_alias(head *h, uint32_t i)
{
    head_aliases *al = &h->aliases;
    uint32_t last = al->n - 1;
    for (int k = 0; k < 2; k++) { /* first it, then the one that moves */
        uint32_t at = k == 0 ? i : last;
        uint32_t *link = &al->bucket[al->a[at].slot & (al->buckets - 1)];
        while (*link != at)
            link = &al->a[*link].next;
        *link = al->a[at].next;
        head_table_remove(&h->by_fp, head_fp_hash(al->a[at].fp), at | ALIAS_BIT);
        if (i == last)
            break;
    }
    al->n--;
    if (i == last)
        return;
    al->a[i] = al->a[last];
    uint32_t *b = &al->bucket[al->a[i].slot & (al->buckets - 1)];
    al->a[i].next = *b;
    *b = i;
    head_table_insert(&h->by_fp, head_fp_hash(al->a[i].fp), i | ALIAS_BIT);
}

static uint32_t find_alias(const head *h, uint32_t slot)
{
    const head_aliases *al = &h->aliases;
    if (al->buckets == 0)
        return SLOT_NONE;
    uint32_t i = al->bucket[slot & (al->buckets - 1)];
    while (i != SLOT_NONE && al->a[i].slot != slot)
        i = al->a[i].next;
    return i;
}

static void forget_fps(head *h, uint32_t slot)
{
    fer_hash128 fp = head_stage_rec(h, slot)->fp;
    if (fp.lo != 0 || fp.hi != 0)
        head_table_remove(&h->by_fp, head_fp_hash(fp), slot);
    for (uint32_t i = find_alias(h, slot); i != SLOT_NONE; i = find_alias(h, slot))
        remove_alias(h, i);
}

/* Gives back aliases' memory when most of it is unused. */
static void shrink_aliases(head *h)
{
    head_aliases *al = &h->aliases;
    if (al->n >= al->cap / 4)
        return;
    size_t before = al->cap * sizeof *al->a + al->buckets * sizeof *al->bucket;
    alias_rec *old = al->a;
    uint32_t n = al->n;
    fer_account_release(&h->acct, before);
    h->bytes_series -= (int64_t)before;
    fer_free(al->bucket);
    *al = (head_aliases){.n = n, .cap = n};
    al->a = n == 0 ? NULL : fer_alloc(n * sizeof *al->a);
    if (n != 0)
        memcpy(al->a, old, n * sizeof *al->a);
    fer_free(old);
    charge_series(h, n * sizeof *al->a);
    while (al->buckets < n)
        grow_buckets(h);
}

void head_shrink_tables(head *h)
{
    for (uint32_t i = 0; i < TABLE_SEGMENTS; i++) {
        fer_mutex_lock(&h->mu);
        head_table_shrink(&h->by_fp, i);
        fer_mutex_unlock(&h->mu);
    }
    fer_mutex_lock(&h->mu);
    shrink_aliases(h);
    fer_mutex_unlock(&h->mu);
}

void head_remove(head *h, uint32_t slot)
{
    pub_rec *s = head_pub_rec(h, slot);
    assert(s->open == 0 && s->full == 0 && s->labels != 0);
    forget_fps(h, slot);
    pair_cursor c = head_pairs(h, s->labels);
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        ;
    const uint8_t *bytes = slab_ptr(&h->labels, s->labels);
    head_table_remove(&h->by_labels, hash_pairs(h, bytes, (size_t)(c.p - bytes)), slot);
    *s = (pub_rec){0};
    *head_stage_rec(h, slot) = (stage_rec){.t = SAMPLE_T_NONE};
    h->n_empty++;
    h->count.series_removed++;
}

void head_remember_fp(head *h, uint32_t slot, fer_hash128 fp)
{
    stage_rec *s = head_stage_rec(h, slot);
    if (s->fp.lo == 0 && s->fp.hi == 0) {
        s->fp = fp;
        head_table_insert(&h->by_fp, head_fp_hash(fp), slot);
        return;
    }

    head_aliases *al = &h->aliases;
    uint32_t known[HEAD_ALIASES_MAX], n = 0;
    if (al->buckets != 0)
        for (uint32_t i = al->bucket[slot & (al->buckets - 1)]; i != SLOT_NONE; i = al->a[i].next)
            if (al->a[i].slot == slot)
                known[n++] = i;
    if (n < HEAD_ALIASES_MAX) {
        add_alias(h, slot, fp);
        return;
    }
    /* One of them makes room; which, no sender can foresee. */
    uint32_t victim = known[fp.lo % HEAD_ALIASES_MAX];
    alias_rec *a = &al->a[victim];
    head_table_remove(&h->by_fp, head_fp_hash(a->fp), victim | ALIAS_BIT);
    a->fp = fp;
    head_table_insert(&h->by_fp, head_fp_hash(fp), victim | ALIAS_BIT);
}
