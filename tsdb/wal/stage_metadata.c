/* stage_metadata.c - a record behind those of series. */
#include "tsdb/wal/stage_metadata.h"

enum { NAME_BYTES_MAX = 8192, RECORD_BYTES_FULL = 128 * 1024 };

/* The newest series of the name, or SLOT_NONE. */
static uint32_t series_named(const head *h, fer_str name)
{
    const head_dict *d = &h->names->dict;
    uint32_t key = dict_name_find(d, STR("__name__"));
    uint32_t pair = key == DICT_NONE ? DICT_NONE : dict_pair_find(d, key, name);
    const postings *p = pair == DICT_NONE ? NULL : &dict_pair_of(d, pair)->post;
    if (p == NULL || p->n == 0 || head_series_labels(h, p->last) == 0)
        return SLOT_NONE;
    label l[LABELS_MAX]; /* the slot may be another's by now */
    return str_eq(labels_get(head_labels(h, p->last, l), STR("__name__")), name) ? p->last
                                                                                 : SLOT_NONE;
}

static uint32_t series_of(const head *h, const metadata_family *m)
{
    char text[NAME_BYTES_MAX];
    for (const char *const *ending = family_endings(m->type); *ending != NULL; ending++) {
        fer_str end = str_of(*ending);
        if (m->family.n + end.n > sizeof text)
            break;
        memcpy(text, m->family.p, m->family.n);
        memcpy(text + m->family.n, end.p, end.n);
        uint32_t slot = series_named(h, (fer_str){text, m->family.n + end.n});
        if (slot != SLOT_NONE)
            return slot;
    }
    return SLOT_NONE;
}

/* The family is named where the series' name does not tell it. */
static record_metadata record_of(const head *h, uint32_t slot, const metadata_family *m)
{
    label l[LABELS_MAX];
    fer_str name = labels_get(head_labels(h, slot, l), STR("__name__"));
    uint8_t type = m->type <= FAMILY_STATESET ? (uint8_t)m->type : FAMILY_UNKNOWN;
    record_metadata r = {head_ref(h, slot), type, m->unit, m->help, STR("")};
    if (!str_eq(family_of(name, type), m->family))
        r.family = m->family;
    return r;
}

void stage_metadata(const head *h, batch *b, metadata_family *v, size_t n)
{
    bool begun = false;
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = series_of(h, &v[i]);
        v[i].logged = slot != SLOT_NONE;
        if (!v[i].logged)
            continue;
        if (!begun)
            record_metadata_begin(&b->series.bytes);
        const record_metadata m = record_of(h, slot, &v[i]);
        record_metadata_add(&b->series.bytes, &m);
        begun = !batch_end_record(&b->series, RECORD_BYTES_FULL);
    }
    batch_end_record(&b->series, 0);
}
