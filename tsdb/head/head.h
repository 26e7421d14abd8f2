/* head.h - the head: the newest samples of all active series, in memory.
 *
 * A series is a slot: a 32-bit number into blocks of SLOT_BLOCK records, handed out in order of arrival.
 * Its state is split by who writes it:
 *   - stage_rec (32 bytes): the fingerprint of its raw labels and the newest sample taken in, which the
 *     next one is judged against. Written by tsdb_stage().
 *   - pub_rec (64 bytes, one cache line): what readers may see: the open chunk, its encoder and the list
 *     of full chunks. Written by the committer when a batch is published.
 * A slot below `published` has been published; the others exist for look-ups only. The records of a slot without a
 * series are zeros.
 *
 * Locks (docs/threads.md): `publish` (rank 100) guards published state: pub_rec, chunk bytes, the list
 * of readers. `mu` (rank 110) guards the rest: look-up tables, dictionary, postings, stage_rec, what is
 * staged. A select takes both, publish first; staging takes only mu, publishing only publish.
 */
#ifndef FERULA_TSDB_HEAD_H
#define FERULA_TSDB_HEAD_H

#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "tsdb/block/blockdir.h"
#include "tsdb/chunk/chunk.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/head/chunks_head.h"
#include "tsdb/head/exemplars.h"
#include "tsdb/head/head_dict.h"
#include "tsdb/head/head_table.h"
#include "tsdb/head/ooo_delta.h"
#include "tsdb/head/slab.h"
#include "tsdb/hist_sample.h"
#include "tsdb/labels.h"
#include "tsdb/wal/ref_set.h"

enum {
    RANK_HEAD_PUBLISH = 100,
    RANK_HEAD = 110,
    SLOT_BLOCK = 4096,
    SLOT_MAX = 1 << 28,
    OPEN_BYTES_FIRST = 24, /* of a new chunk */
    CHUNK_SAMPLES = 120,   /* Prometheus' target; FORMAT.md 13 */
    HIST_OPEN_BITS = 1 << 24,
    HEAD_ALIASES_MAX = 8, /* other spellings remembered per series */
    HEAD_RECENT = 32
};
#define SLOT_NONE UINT32_MAX
#define SAMPLE_T_NONE INT64_MIN

typedef struct stage_rec {
    fer_hash128 fp; /* of the raw labels last seen first; zero: none yet */
    int64_t t;      /* newest staged; SAMPLE_T_NONE before the first */
    double v;
} stage_rec;

typedef struct pub_rec {
    xor_appender app;   /* of the open chunk; app.n == 0 before the first sample */
    int64_t min_t;      /* first of the open chunk */
    uint32_t next_ms;   /* a new chunk begins at min_t + next_ms */
    slab_ref open;      /* bytes of the open chunk, but for the count in front and the tail */
    slab_ref full;      /* full_list, 0 while there is none */
    slab_ref labels[2]; /* in the head_names of that side; 0 in the present one's: no series here */
    uint16_t cap;       /* bytes the open chunk's item holds */
    uint8_t tail;       /* the byte of the open chunk that is not full yet; 0 when all are */
    bool stays : 1; /* chunks_head holds other chunks of its time: its full chunks stay in memory */
    /* The open chunk is one of histograms: `open` is the head_hist (head_hist.h), of app only t, n and bits count;
     * bits is HIST_OPEN_BITS, which is more than a float chunk may have. */
    bool is_hist : 1;
    bool has_ooo : 1; /* it has samples out of order (ooo_series.h) */
} pub_rec;
_Static_assert(sizeof(pub_rec) == 64, "one cache line");

/* A chunk that takes no more samples. Its bytes lie in the slab or, if file is not 0, in chunks_head:
 * head_full_bytes(). An entry that readers may know never changes. */
typedef struct full_chunk {
    int64_t mint;
    uint32_t span; /* ms from the first sample to the last: full_maxt() */
    uint32_t at;   /* slab_ref, or offset in the file */
    uint32_t bytes;
    uint16_t file;
    uint8_t encoding; /* chunk.h */
} full_chunk;

static inline int64_t full_maxt(const full_chunk *c)
{
    return c->mint + c->span;
}

typedef struct full_list {
    uint32_t n;
    uint32_t spare;
    full_chunk c[];
} full_list;

/* A pair met lately, and its texts. */
typedef struct head_recent {
    uint32_t pair, name;
    fer_str name_text, value; /* NULL: none yet */
} head_recent;

/* Labels as ids, and what is found by them. Ids are given out and never taken back, so now and then all is
 * numbered anew (head_rename.c); who uses the ids of the old numbering without a lock keeps it. */
typedef struct head_names {
    head_dict dict;
    slab labels; /* of series: a varint count and that many varint pair ids, in label order */
    head_table by_labels;
    head_recent recent[HEAD_RECENT]; /* of the label set looked up last, by place */
    uint8_t side;                    /* of pub_rec.labels */
    uint32_t users;                  /* under publish */
} head_names;

typedef struct slot_block {
    uint64_t ref_base; /* ref of a slot: ref_base + index, unless refs is there */
    uint64_t *refs;
    stage_rec *stage;
    pub_rec *pub;
    uint32_t live; /* series in it */
    bool
        gone; /* memory given back: stage and pub are the zeros of all such blocks, never written */
} slot_block;

/* Another spelling of a series' raw labels. */
typedef struct alias_rec {
    fer_hash128 fp;
    uint32_t slot;
    uint32_t next; /* in its bucket */
} alias_rec;

typedef struct head_aliases {
    alias_rec *a;
    uint32_t n, cap;
    uint32_t *bucket; /* by slot, a power of two of them */
    uint32_t buckets;
} head_aliases;

/* Bytes that readers may still look at, freed when those of their time have gone. */
typedef struct head_retired {
    slab_ref ref;
    uint64_t seq;
} head_retired;

/* A mapping of chunks_head likewise. */
typedef struct head_left_map {
    vfs_map map;
    uint64_t seq;
} head_left_map;

/* One open querier. */
typedef struct head_reader head_reader;
struct head_reader {
    head_reader *next, *prev;
    uint64_t seq;
};

/* Refs without a slot whose records may still be in the log: of series that were removed, and further refs that a
 * log gave a series. Their series records are needed while segments up to `segment` are there, and
 * while samples at maxt are. */
typedef struct head_gone {
    uint64_t first, last;
    uint64_t segment;
    int64_t maxt;
} head_gone;

typedef struct head_counters {
    uint64_t series_created, series_removed, samples_appended, hists_appended, out_of_order,
        out_of_bounds, duplicates, too_far;
    uint64_t too_old, hists_out_of_order, hists_too_old;
    uint64_t ooo_appended, ooo_hists_appended; /* those out of order that were kept */
    uint64_t refused_series;
    ooo_delta ooo_delta;
} head_counters;

typedef struct ooo_store ooo_store;

typedef struct head {
    fer_hash_key key;
    fer_account acct;
    fer_log *log;
    int64_t chunk_range_ms;
    int64_t min_valid_time; /* samples before it are out of bounds */
    exemplar_store *exemplars;
    chunks_head *files; /* NULL: full chunks stay in memory. The maintenance thread's to write */

    fer_mutex publish;
    /* ---- under publish ---- */
    slab chunks;
    uint64_t n_chunks, n_chunks_created, n_chunks_removed;
    int64_t min_time, max_time; /* of published samples; INT64_MAX / INT64_MIN while empty */
    _Atomic uint32_t published; /* slots below are visible; a look without the lock is a guess */
    head_reader readers;        /* ring */
    uint64_t reader_seq;
    head_retired *retired;
    size_t retired_first, n_retired, cap_retired;
    head_left_map *left_maps;
    size_t n_left_maps, cap_left_maps;
    uint64_t n_chunks_mapped;   /* written to chunks_head since the start */
    struct head_stones *stones; /* deletions, NULL while there are none (head_delete.h) */
    size_t bytes_hist;          /* of open chunks of histograms, beside the slab */
    ooo_store *ooo; /* samples out of order (ooo_series.h); its parts tell their locks */

    fer_mutex mu;
    /* ---- under mu ---- */
    blockdir blocks; /* of slot_block */
    uint32_t n_slots;
    bool slots_in_ref_order;
    uint64_t last_ref;
    int64_t staged_max;    /* newest staged; INT64_MIN while empty */
    int64_t ooo_window_ms; /* how much older samples may be; 0: not out of order */
    head_names *names;     /* changed under publish, too */
    head_table by_fp;
    head_aliases aliases;
    bool renaming;        /* slots are not used again meanwhile */
    uint32_t *free_slots; /* to be used again, ascending */
    uint32_t n_free, at_free, cap_free;
    uint32_t *free_blocks; /* without memory, to be used again */
    uint32_t n_free_blocks, cap_free_blocks;
    head_counters count;
    int64_t bytes_series;
    uint64_t wal_segment; /* published samples are in it or in those before */
    head_gone *gone;
    size_t n_gone, cap_gone;
} head;

void head_init(head *h, fer_account *parent, int64_t limit_bytes, int64_t chunk_range_ms,
               const fer_hash_key *key, fer_log *log);
void head_done(head *h); /* closes h->files, too */

/* ---- slots (head_series.c) ---- */

static inline slot_block *head_block(const head *h, uint32_t slot)
{
    return blockdir_get(&h->blocks, slot / SLOT_BLOCK);
}

static inline stage_rec *head_stage_rec(const head *h, uint32_t slot)
{
    return &head_block(h, slot)->stage[slot % SLOT_BLOCK];
}

static inline pub_rec *head_pub_rec(const head *h, uint32_t slot)
{
    return &head_block(h, slot)->pub[slot % SLOT_BLOCK];
}

/* The series' labels in the present names; 0: the slot is empty. Under publish or mu. */
static inline slab_ref head_series_labels(const head *h, uint32_t slot)
{
    return head_pub_rec(h, slot)->labels[h->names->side];
}

static inline uint64_t head_ref(const head *h, uint32_t slot)
{
    const slot_block *b = head_block(h, slot);
    uint32_t i = slot % SLOT_BLOCK;
    return b->refs == NULL ? b->ref_base + i : b->refs[i];
}

/* A label set as the head looks it up. */
typedef struct head_key {
    labels ls;                /* canonical */
    uint64_t hash;            /* of the encoded pair ids; valid when all pairs are known */
    size_t n;                 /* bytes encoded; 0 when not all pairs are known */
    uint32_t ids[LABELS_MAX]; /* DICT_NONE: not known */
    uint8_t bytes[5 * (LABELS_MAX + 1)];
} head_key;

/* The slot of a label set, or SLOT_NONE; fills the key for head_create(). FER_LIMIT for more labels or longer
 * texts than the head can hold. Under mu. */
FER_MUST_CHECK fer_code head_find_labels(head *h, labels ls, head_key *key, uint32_t *ret,
                                         fer_err *err);
/* A new series, which head_find_labels has just not found. ref 0 takes the next; another is the one a
 * log gave. FER_LIMIT when there are too many series. Under mu. */
FER_MUST_CHECK fer_code head_create(head *h, head_key *key, uint64_t ref, uint32_t *ret,
                                    fer_err *err);
/* A label set whose pairs are all known: their ids, in label order, as they are stored, and the hash of that. */
typedef struct head_pair_set {
    const uint32_t *ids;
    size_t n;
    fer_str bytes;
    uint64_t hash;
} head_pair_set;

/* The same two for such a set. Under mu. */
uint32_t head_find_set(const head *h, const head_pair_set *set);
FER_MUST_CHECK fer_code head_create_set(head *h, const head_pair_set *set, uint64_t ref,
                                        uint32_t *ret, fer_err *err);
/* Forgets the series, whose chunks have been given up; the slot stays empty. Under publish and mu. */
void head_remove(head *h, uint32_t slot);
/* Gives back what tables hold beyond their entries. Takes mu for moments. */
void head_shrink_tables(head *h);
/* False when the head's account cannot take another series of these labels. */
bool head_has_room(head *h, labels ls);

/* The slot of a fingerprint, or SLOT_NONE. Under mu. */
static inline uint32_t head_find_fp(const head *h, fer_hash128 fp);
/* Remembers the fingerprint for the series. Under mu. */
void head_remember_fp(head *h, uint32_t slot, fer_hash128 fp);

/* The label set as text; views live as long as the names. l has room for LABELS_MAX. Under mu. */
labels head_labels(const head *h, uint32_t slot, label *l);

/* A cursor over the pair ids of a series. */
typedef struct pair_cursor {
    const uint8_t *p;
    uint32_t left;
} pair_cursor;

static inline uint32_t pair_cursor_varint(pair_cursor *c)
{
    uint32_t v = *c->p++;
    if (v < 0x80)
        return v;
    v &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        uint8_t b = *c->p++;
        v |= (uint32_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
}

static inline pair_cursor head_pairs(const head_names *names, slab_ref series_labels)
{
    pair_cursor c = {slab_ptr(&names->labels, series_labels), 0};
    c.left = pair_cursor_varint(&c);
    return c;
}

/* Asks for what a look at the labels needs. */
static inline void head_prefetch_pairs(const head_names *names, slab_ref series_labels)
{
    __builtin_prefetch(slab_ptr(&names->labels, series_labels));
}

static inline bool pair_cursor_next(pair_cursor *c, uint32_t *ret)
{
    if (c->left == 0)
        return false;
    c->left--;
    *ret = pair_cursor_varint(c);
    return true;
}

/* In the fingerprint table, values from here on are aliases. */
#define ALIAS_BIT 0x80000000U

static inline uint64_t head_fp_hash(fer_hash128 fp)
{
    return fp.lo ^ (fp.hi << 32 | fp.hi >> 32);
}

static inline bool fp_eq(fer_hash128 a, fer_hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static inline uint32_t head_find_fp(const head *h, fer_hash128 fp)
{
    table_probe probe = head_table_probe(&h->by_fp, head_fp_hash(fp));
    uint32_t v;
    while ((v = table_probe_next(&probe)) != TABLE_NONE) {
        if (v & ALIAS_BIT) {
            const alias_rec *a = &h->aliases.a[v & ~ALIAS_BIT];
            if (fp_eq(a->fp, fp))
                return a->slot;
        } else if (fp_eq(head_stage_rec(h, v)->fp, fp)) {
            return v;
        }
    }
    return SLOT_NONE;
}

/* ---- samples (head_append.c); under publish ---- */

/* Appends to the open chunk, cutting it where Prometheus does. t is above the series' last. */
void head_append(head *h, uint32_t slot, int64_t t, double v);
/* Frees the item once no reader that could know it is open. 0 is fine. */
void head_retire(head *h, slab_ref ref);
/* The same for a mapping. */
void head_retire_map(head *h, vfs_map m);
/* The bytes of a full chunk, a view of the slab or of chunks_head. FER_CORRUPT, for the latter only, when they are
 * not what was written. No lock is needed by a reader in the head's list. */
FER_MUST_CHECK fer_code head_full_bytes(const head *h, const full_chunk *c, fer_str *ret,
                                        fer_err *err);
/* Has the processor fetch what lies in chunks_head. */
void head_full_prefetch(const head *h, const full_chunk *c);
/* Appends its samples in the range; no sample beyond the times the entry tells. FER_LIMIT from out's account; other
 * failures, which only a chunk of chunks_head or of an encoding nobody knows can have, are told in err. */
FER_MUST_CHECK fer_code head_full_decode(const head *h, const full_chunk *c, int64_t mint,
                                         int64_t maxt, samples *out, fer_err *err);
/* Ends the open chunk, which there is. */
void head_finish_chunk(head *h, pub_rec *s);
/* Forgets the open chunk, if there is one, and its samples. */
void head_drop_open(head *h, pub_rec *s);
/* Adds an entry behind the full chunks. */
void head_add_full(head *h, pub_rec *s, const full_chunk *c);
/* A chunk read back from chunks_head, behind all the series has; no chunk of it is open. */
void head_attach(head *h, uint32_t slot, const full_chunk *c);
/* The open chunk, which is one of floats, as a whole: xor_bytes(&s->app) bytes. */
void head_open_bytes(const head *h, const pub_rec *s, uint8_t *out);
/* Asks for the bytes the next append to the series writes. */
static inline void head_prefetch_open(const head *h, uint32_t slot)
{
    const pub_rec *s = head_pub_rec(h, slot);
    if (s->open != 0)
        __builtin_prefetch((const uint8_t *)slab_ptr(&h->chunks, s->open) + s->app.bits / 8, 1);
}
/* The time of the newest published sample, SAMPLE_T_NONE when there is none. */
static inline int64_t head_newest(const head *h, const pub_rec *s)
{
    if (s->open != 0)
        return s->app.t;
    if (s->full == 0)
        return SAMPLE_T_NONE;
    const full_list *list = slab_ptr(&h->chunks, s->full);
    return full_maxt(&list->c[list->n - 1]);
}

static inline void head_note_times(head *h, int64_t mint, int64_t maxt)
{
    if (mint < h->min_time)
        h->min_time = mint;
    if (maxt > h->max_time)
        h->max_time = maxt;
}
/* Gives up the chunks that end before mint, the open one too; returns how many. */
uint32_t head_drop_before(head *h, uint32_t slot, int64_t mint);
/* Whether the series has samples in a chunk that overlaps [mint, maxt]. */
bool head_overlaps(const head *h, const pub_rec *s, int64_t mint, int64_t maxt);
void head_reader_begin(head *h, head_reader *r);
void head_reader_end(head *h, head_reader *r);

/* ---- numberings of labels (head_names.c, head_rename.c) ---- */

/* The pair ids as they are stored, at most 5 bytes each and 5 for the count; returns how many bytes. */
size_t head_encode_pairs(const uint32_t *ids, size_t n, uint8_t *out);
uint64_t head_hash_pairs(const head *h, const uint8_t *bytes, size_t n);
head_names *head_names_new(head *h, uint8_t side);
void head_names_free(head_names *names); /* NULL is fine */
/* The present names, kept until dropped. Under publish. */
head_names *head_names_take(head *h);
/* Returns what is to be freed when the lock is released, or NULL. Under publish. */
head_names *head_names_drop(head *h, head_names *names);
/* Stores the set as a series' labels and enters the slot by its hash and its pairs. Under mu, or while nobody else knows
 * the names. */
slab_ref head_names_enter(head_names *names, uint32_t slot, const head_pair_set *set);
/* Numbers anew what is in use, makes slots that became empty free to be used again and gives back the memory
 * of blocks of them. One thread at a time; locks are taken for 256 series at a time. */
void head_rename(head *h);
/* For head_rename: blocks to be given back and used again. Under both locks, or mu. */
enum {
    SLOT_BLOCK_BYTES = SLOT_BLOCK * (sizeof(stage_rec) + sizeof(pub_rec)),
    SLOT_REFS_BYTES = SLOT_BLOCK * sizeof(uint64_t)
};
void head_detach_block(head *h, uint32_t number, void **ret_memory, void **ret_refs);

/* ---- forgetting (head_truncate.c) ---- */

typedef struct head_truncation {
    uint64_t chunks_removed, series_removed;
} head_truncation;

/* Gives up the chunks that end before mint, then the series that have no samples left; from now on samples before
 * mint are out of bounds. A series with a sample staged and not yet visible stays. Writing and queries
 * go on: locks are taken for 256 series at a time, and what readers pinned stays until they have gone.
 * One thread at a time. */
void head_truncate(head *h, int64_t mint, head_truncation *ret);

/* ---- refs that the log needs (head_refs.c) ---- */

/* Notes that the log has records of a ref that no slot has; see head_gone. Under mu. */
void head_note_gone(head *h, uint64_t ref, uint64_t segment, int64_t maxt);
/* Adds the refs whose series records a checkpoint up to `segment` keeps, and seals the set. All of the
 * checkpoint's segments are closed. Takes mu for 256 series at a time. */
void head_kept_refs(head *h, uint64_t segment, int64_t mint, ref_set *set);
/* Forgets refs that no checkpoint behind this one needs. Takes mu. */
void head_forget_gone(head *h, uint64_t segment, int64_t mint);

/* ---- the past of a series (head_rewrite.c); under publish, without readers ---- */

typedef struct head_late {
    int64_t t;
    double v;
    const hist_sample *hist; /* NULL: a float, which is v */
    uint32_t slot;
    uint32_t seq; /* among equal times the lowest counts */
} head_late;

/* Puts n samples of one series, ascending by t then seq and none after its newest, in their places; those
 * at times it has stay out. Returns how many went in. */
size_t head_merge(head *h, const head_late *late, size_t n);

#endif
