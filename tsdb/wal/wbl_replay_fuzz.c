/* Records of any bytes in the log of samples out of order, beside a chunk of chunks_head that a marker may name: they are read
 * back, what is in the head then ascends, is compacted, and leaves nothing behind.
 *
 *     input:  { u16 length, record }...
 */
#include <assert.h>
#include <string.h>

#include "base/vfs_fault.h"
#include "tsdb/head/head_export.h"
#include "tsdb/head/ooo_read.h"
#include "tsdb/wal/wal_fuzzing.h"
#include "tsdb/wal/wbl_replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIES = 3, RANGE_MS = 7200000 };

/* One chunk, of series 1 and the times 1000 and 2000; its place is 1 << 32 | 8. */
static void write_chunk(vfs *fs)
{
    uint8_t bytes[64] = {0};
    xor_appender a;
    chunks_head *c;
    head_place place;
    xor_init(&a);
    xor_append(&a, bytes, 1000, 1.5);
    xor_append(&a, bytes, 2000, 2.5);
    fer_code code = chunks_head_open(fs, "chunks_head", 0, NULL, NULL, &c, NULL);
    assert(code == FER_OK);
    const head_chunk chunk = {.series = 1,
                              .mint = 1000,
                              .maxt = 2000,
                              .encoding = CHUNK_XOR,
                              .out_of_order = true,
                              .data = {(const char *)bytes, xor_bytes(&a)}};
    code = chunks_head_add(c, &chunk, &place, NULL);
    assert(code == FER_OK);
    code = chunks_head_flush(c, NULL);
    assert(code == FER_OK);
    chunks_head_close(c);
}

static void make_series(head *h, ref_map *refs)
{
    for (uint64_t ref = 1; ref <= SERIES; ref++) {
        char name[2] = {(char)('a' + ref), 0};
        label l = {STR("__name__"), str_of(name)};
        head_key key;
        uint32_t slot;
        fer_code code = head_find_labels(h, (labels){&l, 1}, &key, &slot, NULL);
        assert(code == FER_OK && slot == SLOT_NONE);
        code = head_create(h, &key, ref, &slot, NULL);
        assert(code == FER_OK);
        *ref_map_put(refs, ref) = slot;
    }
    h->published = h->n_slots;
}

static void check_series(head *h)
{
    for (uint32_t i = 0; i < h->ooo->n; i++) {
        uint32_t n;
        samples s;
        samples_init(&s, NULL);
        const full_chunk *c = ooo_chunks(h, h->ooo->v[i], &n);
        fer_code code = ooo_read_chunks(h, c, n, INT64_MIN, INT64_MAX, &s);
        assert(code == FER_OK);
        for (size_t k = 1; k < s.n; k++)
            assert(s.t[k - 1] < s.t[k]);
        samples_done(&s);
    }
}

static void compact(head *h)
{
    int64_t min, max;
    fer_mutex_lock(&h->publish);
    fer_mutex_lock(&h->mu);
    ooo_draw_line(h);
    fer_mutex_unlock(&h->mu);
    fer_mutex_unlock(&h->publish);
    if (!ooo_freeze(h, &min, &max))
        return;
    check_series(h);
    head_export *x;
    fer_code code = head_export_open_ooo(h, min, max == INT64_MAX ? max : max + 1, NULL, &x, NULL);
    assert(code == FER_OK);
    exported_series s;
    bool more = true;
    while (code == FER_OK && more)
        code = head_export_next(x, &s, &more, NULL);
    assert(code == FER_OK);
    head_export_close(x);
    (void)ooo_drop_frozen(h);
    assert(h->ooo->n == 0 && !ooo_times(h, &min, &max));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    fer_hash_key key = {{0}};
    head h;
    ref_map refs;
    replay_chunks chunks;
    wbl_replay_stats stats = {0};
    write_log(fs, "wbl", &(wal_options){0}, data, size);
    write_chunk(fs);
    head_init(&h, NULL, 0, RANGE_MS, &key, NULL);
    ref_map_init(&refs, NULL);
    make_series(&h, &refs);
    fer_code code = chunks_head_open(fs, "chunks_head", 0, &h.acct, NULL, &h.files, NULL);
    assert(code == FER_OK);
    replay_chunks_load(&chunks, &h);
    code = wbl_replay(&h, fs, "wbl", &refs, &chunks, &stats, NULL);
    assert(code == FER_OK);
    compact(&h);
    replay_chunks_done(&chunks);
    ref_map_done(&refs);
    head_done(&h);
    vfs_fault_free(disk);
    return 0;
}
