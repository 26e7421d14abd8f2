/* block_symbols.h - the symbol table of an index: every text of its labels, ascending, by number.
 *
 * A view of mapped bytes and the places of every 8th text, which are noted at the first look-up: the block that was just cut from
 * the head may have as many texts as series, and mostly nobody asks for them. In index version 1 a symbol is named by its
 * place in the file, later by its number; both are uint32_t here.
 * Threads: any.
 */
#ifndef FERULA_TSDB_BLOCK_SYMBOLS_H
#define FERULA_TSDB_BLOCK_SYMBOLS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/varint.h"

enum { SYMBOL_STRIDE = 8 };

typedef struct block_symbols {
    const uint8_t *file; /* of n_file bytes */
    size_t n_file;
    bool by_place; /* version 1 */
    uint32_t n;    /* symbols */
    size_t end;    /* of the last */
    _Atomic(uint32_t *)
        *sampled; /* place of every 8th, from `first` on; NULL in it until one is looked up */
    size_t first;
    fer_account *acct;
} block_symbols;

/* Checks the section that begins at `off` of the file: length, checksum, order. FER_CORRUPT. */
FER_MUST_CHECK fer_code block_symbols_open(block_symbols *s, fer_str file, uint64_t off,
                                           bool by_place, fer_account *acct, fer_err *err);
void block_symbols_close(block_symbols *s);
/* FER_CORRUPT when there is no such symbol. */
FER_MUST_CHECK fer_code block_symbols_text(const block_symbols *s, uint32_t symbol, fer_str *ret);
/* Which symbol the text is; false when it is none. */
bool block_symbols_find(const block_symbols *s, fer_str text, uint32_t *ret);

/* All symbols, ascending. */
typedef struct symbol_cursor {
    const block_symbols *s;
    fer_rd r;
    uint32_t i;
} symbol_cursor;

static inline symbol_cursor block_symbols_begin(const block_symbols *s)
{
    return (symbol_cursor){s, {s->file + s->first, s->file + s->end}, 0};
}
/* FER_END behind the last. */
FER_MUST_CHECK fer_code symbol_cursor_next(symbol_cursor *c, uint32_t *ret_symbol, fer_str *ret);

#endif
