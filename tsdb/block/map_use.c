#include "tsdb/block/map_use.h"

#include "base/pages.h"

void map_use_init(map_use *u, uint64_t file_bytes, fer_account *acct)
{
    *u = (map_use){.acct = acct};
    if (file_bytes == 0)
        return;
    u->n_checked = (size_t)(file_bytes / MAP_USE_CHECK_BYTES / 64) + 1;
    u->checked = fer_pages_alloc(u->n_checked * sizeof *u->checked);
    fer_account_force(acct, u->n_checked * sizeof *u->checked);
}

void map_use_done(map_use *u)
{
    fer_account_release(u->acct, u->n_checked * sizeof *u->checked);
    fer_pages_free(u->checked, u->n_checked * sizeof *u->checked);
    u->checked = NULL;
    u->n_checked = 0;
}

/* Words that are 0 are not written: memory that was never touched stays so. */
static void clear_words(_Atomic uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (atomic_load_explicit(&v[i], memory_order_relaxed) != 0)
            atomic_store_explicit(&v[i], 0, memory_order_relaxed);
}

void map_use_clear(map_use *u)
{
    clear_words(u->marks, MAP_USE_WINDOWS / 64);
    clear_words(u->checked, u->n_checked);
    atomic_store_explicit(&u->n, 0, memory_order_relaxed);
}
