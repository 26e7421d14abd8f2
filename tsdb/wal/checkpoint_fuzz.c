/* Records of any bytes, in a log on a disk in memory: a checkpoint of them is made, reads without damage, and a
 * checkpoint of that checkpoint holds the same records.
 *
 *     input:  u8 mint / 16, u8 highest ref kept, { u16 length, record }...
 */
#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/vfs_fault.h"
#include "tsdb/wal/checkpoint.h"
#include "tsdb/wal/wal_fuzzing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    uint64_t n, sum;
} seen;

static fer_code see_record(void *arg, uint64_t segment, uint64_t offset, fer_str rec)
{
    (void)segment;
    (void)offset;
    seen *s = arg;
    s->n++;
    s->sum = (s->sum ^ crc32c(0, rec.p, rec.n) ^ rec.n) * 0x100000001b3;
    return FER_OK;
}

static void no_damage(void *arg, const wal_damage *d)
{
    (void)arg;
    (void)d;
    assert(false);
}

static seen make_checkpoint(vfs *fs, uint64_t last, int64_t mint, uint64_t ref)
{
    ref_set keep;
    ref_set_init(&keep, NULL);
    ref_set_add(&keep, 0, ref);
    ref_set_seal(&keep);
    checkpoint_request req = {
        .fs = fs, .wal_dir = "wal", .last = last, .mint = mint, .stones_mint = mint, .keep = &keep};
    checkpoint_stats stats;
    fer_code code = checkpoint_write(&req, &stats, NULL);
    assert(code == FER_OK);
    code = checkpoint_tidy(fs, "wal", NULL, NULL);
    assert(code == FER_OK);
    ref_set_done(&keep);

    seen s = {0};
    code = wal_read(fs, "wal", see_record, no_damage, &s, NULL, NULL);
    assert(code == FER_OK && s.n != 0);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    vfs_fault *disk = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(disk);
    write_log(fs, "wal", &(wal_options){.segment_bytes = WAL_PAGE_BYTES}, data + 2, size - 2);
    int64_t mint = (int64_t)(int8_t)data[0] * 16;
    seen once = make_checkpoint(fs, 1000, mint, data[1]);
    seen twice = make_checkpoint(fs, 1001, mint, data[1]);
    assert(once.n == twice.n && once.sum == twice.sum);
    vfs_fault_free(disk);
    return 0;
}
