/* head_series.c - slots, their labels, and the ways to find them.
 *
 * A series' labels are a varint count and that many varint pair ids, in label order; equal sets have equal
 * bytes, which is what the table of canonical sets compares. Refs are consecutive within a block as a rule
 * and then cost nothing; a block that has a gap keeps them in full.
 */
#include <assert.h>
#include <string.h>

#include "base/pages.h"
#include "base/varint.h"
#include "tsdb/head/head_delete.h"
#include "tsdb/head/head_hist.h"
#include "tsdb/head/ooo_series.h"

enum {
    CACHE_LINE = 64,
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
    head_table_init(&h->by_fp, &h->acct);
    h->names = head_names_new(h, 0);
    ooo_init(h);
}

static void charge_series(head *h, size_t bytes)
{
    fer_account_force(&h->acct, bytes);
    h->bytes_series += (int64_t)bytes;
}

void head_done(head *h)
{
    assert(h->readers.next == &h->readers);
    head_hist_done(h);
    ooo_done(h);
    exemplar_store_free(h->exemplars);
    for (uint32_t i = 0; i < h->blocks.n; i++) {
        slot_block *b = blockdir_get(&h->blocks, i);
        fer_pages_free(b->refs, SLOT_REFS_BYTES);
        if (!b->gone)
            fer_pages_free(b->pub, SLOT_BLOCK_BYTES);
    }
    blockdir_done(&h->blocks, 0);
    fer_free(h->aliases.a);
    fer_free(h->aliases.bucket);
    fer_free(h->retired);
    fer_account_release(&h->acct, h->cap_gone * sizeof *h->gone);
    fer_free(h->gone);
    assert(h->n_left_maps == 0);
    fer_free(h->left_maps);
    chunks_head_close(h->files);
    head_stones_done(h);
    fer_free(h->free_slots);
    fer_free(h->free_blocks);
    fer_account_release(&h->acct, (size_t)h->bytes_series);
    head_table_done(&h->by_fp);
    head_names_free(h->names);
    slab_done(&h->chunks);
    fer_account_release(&h->acct, h->cap_retired * sizeof *h->retired);
    fer_mutex_done(&h->mu);
    fer_mutex_done(&h->publish);
}

/* ---- labels ---- */

labels head_labels(const head *h, uint32_t slot, label *l)
{
    pair_cursor c = head_pairs(h->names, head_series_labels(h, slot));
    size_t n = 0;
    for (uint32_t pair; pair_cursor_next(&c, &pair); n++)
        l[n] =
            (label){dict_pair_name(&h->names->dict, pair), dict_pair_value(&h->names->dict, pair)};
    return (labels){l, n};
}

/* Label sets met one after another have most pairs in common, in the same places, and of the others the names. */
static uint32_t find_pair(const head_names *names, size_t place, const label *l)
{
    const head_recent *r = place < HEAD_RECENT ? &names->recent[place] : NULL;
    if (r != NULL && r->name_text.p != NULL && str_eq(r->name_text, l->name))
        return str_eq(r->value, l->value) ? r->pair
                                          : dict_pair_find(&names->dict, r->name, l->value);
    uint32_t name = dict_name_find(&names->dict, l->name);
    return name == DICT_NONE ? DICT_NONE : dict_pair_find(&names->dict, name, l->value);
}

static void note_recent(head_names *names, size_t place, uint32_t pair)
{
    if (place >= HEAD_RECENT)
        return;
    head_recent *r = &names->recent[place];
    if (r->pair == pair && r->name_text.p != NULL)
        return;
    *r = (head_recent){pair, dict_pair_of(&names->dict, pair)->name,
                       dict_pair_name(&names->dict, pair), dict_pair_value(&names->dict, pair)};
}

uint32_t head_find_set(const head *h, const head_pair_set *set)
{
    table_probe probe = head_table_probe(&h->names->by_labels, set->hash);
    uint32_t slot;
    while ((slot = table_probe_next(&probe)) != TABLE_NONE) {
        slab_ref other = head_series_labels(h, slot);
        const slab *texts = &h->names->labels;
        if (slab_size(texts, other) >= set->bytes.n &&
            memcmp(slab_ptr(texts, other), set->bytes.p, set->bytes.n) == 0)
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

static head_pair_set set_of(const head_key *key)
{
    return (head_pair_set){key->ids, key->ls.n, {(const char *)key->bytes, key->n}, key->hash};
}

static void encode_key(const head *h, head_key *key)
{
    key->n = head_encode_pairs(key->ids, key->ls.n, key->bytes);
    key->hash = head_hash_pairs(h, key->bytes, key->n);
}

fer_code head_find_labels(head *h, labels ls, head_key *key, uint32_t *ret, fer_err *err)
{
    FER_TRY(check_sizes(ls, err));
    key->ls = ls;
    key->n = 0;
    bool known = true;
    for (size_t i = 0; i < ls.n; i++) {
        key->ids[i] = find_pair(h->names, i, &ls.l[i]);
        if (key->ids[i] == DICT_NONE)
            known = false;
        else
            note_recent(h->names, i, key->ids[i]);
    }
    *ret = SLOT_NONE;
    if (known) {
        encode_key(h, key);
        const head_pair_set set = set_of(key);
        *ret = head_find_set(h, &set);
    }
    return FER_OK;
}

/* ---- slots ---- */

static void place_records(slot_block *b, void *memory)
{
    b->pub = memory;
    b->stage = (stage_rec *)(b->pub + SLOT_BLOCK);
}

/* All its slots are empty. */
static void give_memory(head *h, slot_block *b)
{
    place_records(b, fer_pages_alloc(SLOT_BLOCK_BYTES));
    b->gone = false;
    charge_series(h, SLOT_BLOCK_BYTES);
}

static slot_block *new_block(head *h)
{
    slot_block *b = fer_calloc(1, sizeof *b);
    charge_series(h, sizeof *b);
    give_memory(h, b);
    blockdir_put(&h->blocks, b);
    return b;
}

static uint8_t no_memory[SLOT_BLOCK_BYTES] __attribute__((aligned(CACHE_LINE)));

static void uncharge_series(head *h, size_t bytes)
{
    fer_account_release(&h->acct, bytes);
    h->bytes_series -= (int64_t)bytes;
}

void head_detach_block(head *h, uint32_t number, void **ret_memory, void **ret_refs)
{
    slot_block *b = blockdir_get(&h->blocks, number);
    assert(b->live == 0 && !b->gone);
    *ret_memory = b->pub;
    *ret_refs = b->refs;
    uncharge_series(h, SLOT_BLOCK_BYTES + (b->refs != NULL ? SLOT_REFS_BYTES : 0));
    b->gone = true;
    b->refs = NULL;
    place_records(b, no_memory);
}

/* Makes the slots of a block whose memory was given back free. */
static void revive_block(head *h)
{
    uint32_t number = h->free_blocks[--h->n_free_blocks];
    give_memory(h, blockdir_get(&h->blocks, number));
    if (h->cap_free < SLOT_BLOCK) {
        charge_series(h, (SLOT_BLOCK - h->cap_free) * sizeof *h->free_slots);
        h->free_slots = fer_realloc(h->free_slots, SLOT_BLOCK * sizeof *h->free_slots);
        h->cap_free = SLOT_BLOCK;
    }
    for (uint32_t i = 0; i < SLOT_BLOCK; i++)
        h->free_slots[i] = number * SLOT_BLOCK + i;
    h->n_free = SLOT_BLOCK;
    h->at_free = 0;
}

/* Gives the block's refs room of their own; they are consecutive so far. */
static void spell_out_refs(head *h, slot_block *b)
{
    b->refs = fer_pages_alloc(SLOT_REFS_BYTES);
    charge_series(h, SLOT_REFS_BYTES);
    for (uint32_t i = 0; i < SLOT_BLOCK; i++)
        b->refs[i] = b->ref_base + i;
}

static void set_ref(head *h, uint32_t slot, uint64_t ref)
{
    slot_block *b = head_block(h, slot);
    uint32_t i = slot % SLOT_BLOCK;
    if (b->live == 0 && b->refs == NULL)
        b->ref_base = ref - i;
    else if (b->refs == NULL && ref != b->ref_base + i)
        spell_out_refs(h, b);
    if (b->refs != NULL)
        b->refs[i] = ref;
    if (slot + 1 < h->n_slots || (slot > 0 && ref < head_ref(h, slot - 1)))
        h->slots_in_ref_order = false;
    if (ref > h->last_ref)
        h->last_ref = ref;
}

static bool has_free_slot(const head *h)
{
    return !h->renaming && (h->at_free < h->n_free || h->n_free_blocks != 0);
}

static uint32_t take_slot(head *h)
{
    if (has_free_slot(h)) {
        if (h->at_free == h->n_free)
            revive_block(h);
        return h->free_slots[h->at_free++];
    }
    if (h->n_slots % SLOT_BLOCK == 0)
        new_block(h);
    return h->n_slots++;
}

static uint32_t new_slot(head *h, uint64_t ref)
{
    uint32_t slot = take_slot(h);
    set_ref(h, slot, ref != 0 ? ref : h->last_ref + 1);
    head_block(h, slot)->live++;
    head_stage_rec(h, slot)->t = SAMPLE_T_NONE;
    h->count.series_created++;
    return slot;
}

bool head_has_room(head *h, labels ls)
{
    size_t need = SERIES_BYTES_GUESS + dict_bytes_needed(&h->names->dict, ls);
    if (has_free_slot(h) ? h->at_free == h->n_free : h->n_slots % SLOT_BLOCK == 0)
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
            key->ids[i] = dict_pair_make(&h->names->dict, key->ls.l[i].name, key->ls.l[i].value);
        note_recent(h->names, i, key->ids[i]);
    }
}

fer_code head_create_set(head *h, const head_pair_set *set, uint64_t ref, uint32_t *ret,
                         fer_err *err)
{
    if (h->n_slots == SLOT_MAX && !has_free_slot(h))
        return fer_fail(err, FER_LIMIT, "more than %d series", SLOT_MAX);
    uint32_t slot = new_slot(h, ref);
    head_pub_rec(h, slot)->labels[h->names->side] = head_names_enter(h->names, slot, set);
    *ret = slot;
    return FER_OK;
}

fer_code head_create(head *h, head_key *key, uint64_t ref, uint32_t *ret, fer_err *err)
{
    if (key->n == 0) {
        make_missing_pairs(h, key);
        encode_key(h, key);
    }
    const head_pair_set set = set_of(key);
    return head_create_set(h, &set, ref, ret, err);
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
    head_names *names = h->names;
    slab_ref series_labels = s->labels[names->side];
    assert(s->open == 0 && s->full == 0 && series_labels != 0);
    forget_fps(h, slot);
    pair_cursor c = head_pairs(names, series_labels);
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        ;
    const uint8_t *bytes = slab_ptr(&names->labels, series_labels);
    head_table_remove(&names->by_labels, head_hash_pairs(h, bytes, (size_t)(c.p - bytes)), slot);
    *s = (pub_rec){0};
    *head_stage_rec(h, slot) = (stage_rec){0};
    head_block(h, slot)->live--;
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
