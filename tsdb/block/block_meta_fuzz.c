/* The input is a meta.json. What is read of it, written anew, reads as the same. */
#include "tsdb/block/block_meta.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(fer_buf *out, const block_meta *m)
{
    fer_buf_init(out, 64 << 20, NULL);
    block_meta_print(out, m);
    assert(!out->full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_err err = {0};
    block_meta m, again;
    fer_code code = block_meta_parse((fer_str){(const char *)data, size}, a, &m, &err);
    assert(code == FER_OK || (code == FER_CORRUPT && err.msg[0] != '\0'));
    if (code == FER_OK) {
        fer_buf first, second;
        print(&first, &m);
        code = block_meta_parse(fer_buf_str(&first), a, &again, &err);
        assert(code == FER_OK);
        print(&second, &again);
        assert(str_eq(fer_buf_str(&first), fer_buf_str(&second)));
        fer_buf_done(&first);
        fer_buf_done(&second);
    }
    fer_arena_free(a);
    return 0;
}
