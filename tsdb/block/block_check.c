#include "tsdb/block/block_check.h"

enum { CANCEL_EVERY = 256, FORGET_EVERY = 16384 };

static fer_code check_series(const block *b, uint32_t ref, fer_err *err)
{
    index_series s;
    index_chunk c;
    uint32_t name, value;
    fer_str data;
    uint8_t encoding;
    fer_code code;
    FER_TRY(block_index_series(&b->index, ref, &s, err));
    while ((code = index_series_label(&s, &name, &value)) == FER_OK)
        if (block_symbols_text(&b->index.symbols, name, &data) != FER_OK ||
            block_symbols_text(&b->index.symbols, value, &data) != FER_OK)
            return fer_fail(err, FER_CORRUPT, "index: a symbol cannot be read");
    while (code == FER_END && (code = index_series_chunk(&s, &c)) == FER_OK) {
        FER_TRY(block_chunks_get_anew(&b->chunks, c.ref, &encoding, &data, err));
        code = FER_END;
    }
    return code == FER_END ? FER_OK : fer_fail(err, code, "index: a series does not decode");
}

fer_code block_check(const block *b, const fer_cancel *cancel, fer_err *err)
{
    index_postings all;
    if (b->index.all == 0)
        return fer_fail(err, FER_CORRUPT, "index: it has no list of all series");
    FER_TRY(block_index_postings(&b->index, b->index.all, &all, err));
    for (uint32_t i = 0; i < all.n; i++) {
        fer_code code = i % CANCEL_EVERY == 0 ? fer_cancel_check(cancel) : FER_OK;
        if (code != FER_OK)
            return fer_fail(err, code, "checking a block: %s", fer_code_name(code));
        FER_TRY(check_series(b, index_posting(&all, i), err));
        if (i % FORGET_EVERY == FORGET_EVERY - 1)
            block_forget(b);
    }
    return block_failed(b) ? fer_fail(err, FER_CORRUPT, "bytes of its files were lost") : FER_OK;
}
