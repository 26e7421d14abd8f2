/* block_symbols.h - the symbol table of an index: every text of its labels, ascending, by number.
 *
 * A view of mapped bytes and the places of every 32nd text. In index version 1 a symbol is named by its
 * place in the file, later by its number; both are uint32_t here.
 * Threads: any.
 */
#ifndef FERULA_TSDB_BLOCK_SYMBOLS_H
#define FERULA_TSDB_BLOCK_SYMBOLS_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { SYMBOL_STRIDE = 32 };

typedef struct block_symbols {
    const uint8_t *file; /* of n_file bytes */
    size_t n_file;
    bool by_place;     /* version 1 */
    uint32_t n;        /* symbols */
    size_t end;        /* of the last */
    uint32_t *sampled; /* place of every 32nd, from `first` on */
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

#endif
