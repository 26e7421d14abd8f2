/* head_rename.c - labels numbered anew, and slots to be used again.
 *
 * New names are filled slot by slot, under mu for 256 at a time, while series go on being made: these take slots
 * behind all others, which the walk reaches in the end. The last slice is done with both locks held, and the
 * new names take the place of the old. Who reads with the old ones has counted itself their user; they
 * go with the last.
 *
 * A slot that was emptied is still in the old postings; from then on it is in none, and free.
 */
#include <assert.h>
#include <string.h>

#include "base/pages.h"
#include "tsdb/head/head.h"

enum { SLICE = 256 };

/* Slots or blocks, in a growing array. */
typedef struct number_list {
    uint32_t *v;
    uint32_t n, cap;
} number_list;

typedef struct renamer {
    head *h;
    const head_names *from;
    head_names *to;
    uint32_t *ids; /* of `to`, by pair of `from`; DICT_NONE: not met yet */
    uint32_t n_ids;
    uint32_t at; /* the next slot */
    number_list empty, blocks;
} renamer;

static void add_number(number_list *l, uint32_t v)
{
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->v = fer_realloc(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = v;
}

static uint32_t new_id(renamer *r, uint32_t pair)
{
    if (pair >= r->n_ids) {
        uint32_t n = r->from->dict.n_pairs + DICT_PAIR_BLOCK;
        r->ids = fer_realloc(r->ids, n * sizeof *r->ids);
        memset(r->ids + r->n_ids, 0xff, (n - r->n_ids) * sizeof *r->ids);
        r->n_ids = n;
    }
    if (r->ids[pair] == DICT_NONE)
        r->ids[pair] = dict_pair_make(&r->to->dict, dict_pair_name(&r->from->dict, pair),
                                      dict_pair_value(&r->from->dict, pair));
    return r->ids[pair];
}

static void rename_slot(renamer *r, uint32_t slot)
{
    pub_rec *s = head_pub_rec(r->h, slot);
    slab_ref old = s->labels[r->from->side];
    if (old == 0) {
        add_number(&r->empty, slot);
        return;
    }
    uint32_t ids[LABELS_MAX];
    size_t n = 0;
    pair_cursor c = head_pairs(r->from, old);
    for (uint32_t pair; pair_cursor_next(&c, &pair);)
        ids[n++] = new_id(r, pair);
    uint8_t bytes[5 * (LABELS_MAX + 1)];
    size_t used = head_encode_pairs(ids, n, bytes);
    const head_pair_set set = {
        ids, n, {(const char *)bytes, used}, head_hash_pairs(r->h, bytes, used)};
    s->labels[r->to->side] = head_names_enter(r->to, slot, &set);
}

/* The block of empty slots that begins at the next slot: passed over, and to be given back. The newest block, which
 * may get series meanwhile, waits for `final`; then none of its slots is new any more. */
static bool pass_empty_block(renamer *r, bool final)
{
    head *h = r->h;
    if (!final && r->at + SLOT_BLOCK > h->n_slots)
        return false;
    add_number(&r->blocks, r->at / SLOT_BLOCK);
    r->at += SLOT_BLOCK;
    if (r->at > h->n_slots)
        h->n_slots = r->at;
    return r->at < h->n_slots;
}

/* The slots up to the next multiple of SLICE; false when there is no more to do. Under mu; `final`: under both. */
static bool rename_slice(renamer *r, bool final)
{
    const head *h = r->h;
    uint32_t stop = r->at / SLICE * SLICE + SLICE;
    stop = stop < h->n_slots ? stop : h->n_slots;
    if (r->at < stop && r->at % SLOT_BLOCK == 0 && head_block(h, r->at)->live == 0)
        return pass_empty_block(r, final);
    for (; r->at < stop; r->at++)
        rename_slot(r, r->at);
    return r->at < h->n_slots;
}

/* Under both locks. */
static void use_new_names(renamer *r)
{
    head *h = r->h;
    h->names = r->to;
    h->renaming = false;
    h->free_slots = r->empty.v;
    h->n_free = r->empty.n;
    h->cap_free = r->empty.cap;
    h->at_free = 0;
    fer_account_force(&h->acct, h->cap_free * sizeof *h->free_slots);
    h->bytes_series += (int64_t)(h->cap_free * sizeof *h->free_slots);
}

static void walk(renamer *r)
{
    head *h = r->h;
    for (bool more = true; more;) {
        fer_mutex_lock(&h->mu);
        more = rename_slice(r, false);
        fer_mutex_unlock(&h->mu);
    }
    head_names *gone = NULL;
    for (bool more = true; more;) {
        fer_mutex_lock(&h->publish);
        fer_mutex_lock(&h->mu);
        more = rename_slice(r, true);
        if (!more) {
            use_new_names(r);
            gone = r->from->users == 0 ? (head_names *)r->from : NULL;
        }
        fer_mutex_unlock(&h->mu);
        fer_mutex_unlock(&h->publish);
    }
    head_names_free(gone);
}

/* Forgets what earlier calls left free: it is found again. */
static void begin(renamer *r)
{
    head *h = r->h;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    r->from = h->names;
    h->renaming = true;
    size_t bytes = h->cap_free * sizeof *h->free_slots;
    fer_account_release(&h->acct, bytes);
    h->bytes_series -= (int64_t)bytes;
    fer_free(h->free_slots);
    h->free_slots = NULL;
    h->n_free = h->at_free = h->cap_free = 0;
    h->n_free_blocks = 0;
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    r->to = head_names_new(h, !r->from->side);
}

static void give_back_block(head *h, uint32_t number)
{
    void *memory = NULL, *refs = NULL;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    const slot_block *b = blockdir_get(&h->blocks, number);
    if (!b->gone)
        head_detach_block(h, number, &memory, &refs);
    if (h->n_free_blocks == h->cap_free_blocks) {
        h->cap_free_blocks = h->cap_free_blocks == 0 ? 16 : h->cap_free_blocks * 2;
        h->free_blocks = fer_realloc(h->free_blocks, h->cap_free_blocks * sizeof *h->free_blocks);
    }
    h->free_blocks[h->n_free_blocks++] = number;
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    fer_pages_free(memory, SLOT_BLOCK_BYTES);
    fer_pages_free(refs, SLOT_REFS_BYTES);
}

/* Of blocks that few series are left in, pages of empty slots need not stay. */
static bool trim_block(head *h, uint32_t number)
{
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    const slot_block *b = number < h->blocks.n ? blockdir_get(&h->blocks, number) : NULL;
    if (b != NULL && !b->gone && b->live < SLOT_BLOCK / 2)
        fer_pages_trim(b->pub, SLOT_BLOCK_BYTES);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    return b != NULL;
}

void head_rename(head *h)
{
    renamer r = {.h = h};
    begin(&r);
    walk(&r);
    while (r.blocks.n != 0) /* the lowest last: it is used first */
        give_back_block(h, r.blocks.v[--r.blocks.n]);
    for (uint32_t i = 0; trim_block(h, i);)
        i++;
    fer_free(r.blocks.v);
    fer_free(r.ids);
}
