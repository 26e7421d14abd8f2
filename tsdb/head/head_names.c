/* head_names.c - one numbering of labels. */
#include <assert.h>
#include <string.h>

#include "base/varint.h"
#include "tsdb/head/head.h"

head_names *head_names_new(head *h, uint8_t side)
{
    head_names *names = fer_calloc(1, sizeof *names);
    names->side = side;
    head_dict_init(&names->dict, &h->key, &h->acct);
    slab_init(&names->labels, &h->acct);
    head_table_init(&names->by_labels, &h->acct);
    return names;
}

void head_names_free(head_names *names)
{
    if (names == NULL)
        return;
    head_dict_done(&names->dict);
    slab_done(&names->labels);
    head_table_done(&names->by_labels);
    fer_free(names);
}

head_names *head_names_take(head *h)
{
    fer_mutex_assert_held(&h->publish);
    h->names->users++;
    return h->names;
}

head_names *head_names_drop(head *h, head_names *names)
{
    fer_mutex_assert_held(&h->publish);
    assert(names->users > 0);
    return --names->users == 0 && names != h->names ? names : NULL;
}

size_t head_encode_pairs(const uint32_t *ids, size_t n, uint8_t *out)
{
    size_t used = uvarint_put(out, n);
    for (size_t i = 0; i < n; i++)
        used += uvarint_put(out + used, ids[i]);
    return used;
}

uint64_t head_hash_pairs(const head *h, const uint8_t *bytes, size_t n)
{
    return fer_hash_keyed(&h->key, bytes, n).lo;
}

slab_ref head_names_enter(head_names *names, uint32_t slot, const head_pair_set *set)
{
    slab_ref ref = slab_alloc(&names->labels, set->bytes.n);
    memcpy(slab_ptr(&names->labels, ref), set->bytes.p, set->bytes.n);
    head_table_insert(&names->by_labels, set->hash, slot);
    for (size_t i = 0; i < set->n; i++)
        postings_add(&names->dict.posts, &dict_pair_of(&names->dict, set->ids[i])->post, slot);
    return ref;
}
