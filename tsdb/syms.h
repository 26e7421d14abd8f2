/* syms.h - a query's symbol table: label text <-> dense u32 ids.
 *
 * Label sets inside a query are arrays of (name id, value id); equal text has equal ids, so grouping
 * and matching compare integers and text appears only at output. Text given as `stable` is kept by
 * reference (it lives at least as long as the query: pinned), other text is copied to the arena.
 * Id 0 is the empty string. Threads: one at a time.
 */
#ifndef FERULA_TSDB_SYMS_H
#define FERULA_TSDB_SYMS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "tsdb/labels.h"

typedef struct syms syms;

typedef struct label_id {
    uint32_t name;
    uint32_t value;
} label_id;

#define SYM_NONE UINT32_MAX

/* In the arena, freed with it. NULL past the budget. */
syms *syms_new(fer_arena *a);
/* The id of the text, new or known; SYM_NONE past the budget. */
uint32_t syms_intern(syms *s, fer_str text);
uint32_t syms_intern_stable(syms *s, fer_str text);
/* Another id for the text, which syms_find() does not know: for texts that nobody will ask ids about whether they are
 * equal. SYM_NONE past the budget. */
uint32_t syms_add_stable(syms *s, fer_str text);
/* The id of known text, else SYM_NONE. */
uint32_t syms_find(const syms *s, fer_str text);
fer_str syms_text(const syms *s, uint32_t id);
/* Asks for what syms_text() will look at. */
void syms_prefetch(const syms *s, uint32_t id);
uint32_t syms_count(const syms *s);

/* Orders by text: name, value pairwise, shorter set first (labels_cmp). Both sorted by name text. */
int label_ids_cmp(const syms *s, const label_id *a, size_t an, const label_id *b, size_t bn);

#endif
