/* Texts in order of their ids, and an open-addressed table of (hash, id) over them. The table is kept
 * at most half full, so probes are short; both parts double in the arena, which at worst holds as
 * much again in outgrown copies. */
#include "tsdb/syms.h"

#include "base/hash.h"

enum { SLOTS_MIN = 64 };

typedef struct slot {
    uint32_t hash; /* upper half of the text's hash */
    uint32_t id;   /* SYM_NONE: free */
} slot;

struct syms {
    fer_arena *arena;
    fer_str *text;
    uint32_t n, cap;
    slot *slots;
    size_t n_slots; /* a power of two */
};

static slot *new_slots(fer_arena *a, size_t n)
{
    slot *s = fer_arena_alloc(a, n * sizeof *s);
    if (s != NULL)
        memset(s, 0xff, n * sizeof *s);
    return s;
}

syms *syms_new(fer_arena *a)
{
    syms *s = ARENA_NEW(a, syms);
    if (s == NULL)
        return NULL;
    s->arena = a;
    s->n_slots = SLOTS_MIN;
    s->slots = new_slots(a, s->n_slots);
    if (s->slots == NULL || syms_intern_stable(s, STR("")) != 0)
        return NULL;
    return s;
}

/* The slot that holds the text, or the free one where it belongs. */
static slot *probe(const syms *s, fer_str text, uint64_t h)
{
    uint32_t tag = (uint32_t)(h >> 32);
    size_t mask = s->n_slots - 1;
    for (size_t i = h & mask;; i = (i + 1) & mask) {
        slot *at = &s->slots[i];
        if (at->id == SYM_NONE || (at->hash == tag && str_eq(s->text[at->id], text)))
            return at;
    }
}

/* The table's lower hash bits are not kept, so growing hashes the texts anew. */
static bool grow_slots(syms *s)
{
    slot *old = s->slots;
    size_t old_n = s->n_slots;
    slot *bigger = new_slots(s->arena, old_n * 2);
    if (bigger == NULL)
        return false;
    s->slots = bigger;
    s->n_slots = old_n * 2;
    for (size_t i = 0; i < old_n; i++) {
        if (old[i].id == SYM_NONE)
            continue;
        fer_str text = s->text[old[i].id];
        *probe(s, text, fer_hash64(text.p, text.n)) = old[i];
    }
    return true;
}

static bool grow_texts(syms *s)
{
    uint32_t cap = s->cap == 0 ? SLOTS_MIN : s->cap * 2;
    fer_str *t = fer_arena_grow(s->arena, s->text, s->cap * sizeof *t, cap * sizeof *t);
    if (t == NULL)
        return false;
    s->text = t;
    s->cap = cap;
    return true;
}

static bool has_room(syms *s)
{
    return s->n < s->cap || (s->cap <= SYM_NONE / 2 && grow_texts(s));
}

static uint32_t intern(syms *s, fer_str text, bool stable)
{
    uint64_t h = fer_hash64(text.p, text.n);
    slot *at = probe(s, text, h);
    if (at->id != SYM_NONE)
        return at->id;

    if (!has_room(s))
        return SYM_NONE;
    if ((size_t)s->n * 2 >= s->n_slots) {
        if (!grow_slots(s))
            return SYM_NONE;
        at = probe(s, text, h);
    }
    if (!stable) {
        text = fer_arena_dup(s->arena, text);
        if (text.p == NULL)
            return SYM_NONE;
    }
    *at = (slot){.hash = (uint32_t)(h >> 32), .id = s->n};
    s->text[s->n] = text;
    return s->n++;
}

uint32_t syms_intern(syms *s, fer_str text)
{
    return intern(s, text, false);
}

uint32_t syms_intern_stable(syms *s, fer_str text)
{
    return intern(s, text, true);
}

uint32_t syms_add_stable(syms *s, fer_str text)
{
    if (!has_room(s))
        return SYM_NONE;
    s->text[s->n] = text;
    return s->n++;
}

uint32_t syms_find(const syms *s, fer_str text)
{
    return probe(s, text, fer_hash64(text.p, text.n))->id;
}

fer_str syms_text(const syms *s, uint32_t id)
{
    return s->text[id];
}

void syms_prefetch(const syms *s, uint32_t id)
{
    __builtin_prefetch(&s->text[id]);
}

uint32_t syms_count(const syms *s)
{
    return s->n;
}

/* Equal ids are equal text; text is read only where ids differ. */
static int id_cmp(const syms *s, uint32_t a, uint32_t b)
{
    return a == b ? 0 : str_cmp(s->text[a], s->text[b]);
}

int label_ids_cmp(const syms *s, const label_id *a, size_t an, const label_id *b, size_t bn)
{
    size_t n = an < bn ? an : bn;
    for (size_t i = 0; i < n; i++) {
        int c = id_cmp(s, a[i].name, b[i].name);
        if (c == 0)
            c = id_cmp(s, a[i].value, b[i].value);
        if (c != 0)
            return c;
    }
    return (an > bn) - (an < bn);
}
