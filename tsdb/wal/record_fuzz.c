/* The input is one record. Decoding stays within its bytes; what decoded of series and samples, encoded
 * anew, decodes to the same. */
#include "tsdb/wal/record.h"
#include "tsdb/wal/record_times.h"

#include <assert.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    fer_buf series, samples; /* encoded anew */
    record_samples begun;
    uint64_t sum; /* over all that was delivered */
    size_t n;
} seen;

static void add(seen *s, const void *p, size_t n)
{
    const uint8_t *byte = p;
    for (size_t i = 0; i < n; i++)
        s->sum = (s->sum ^ byte[i]) * 0x100000001b3;
    s->n++;
}

static fer_code see_series(void *arg, uint64_t ref, labels ls)
{
    seen *s = arg;
    add(s, &ref, sizeof ref);
    for (size_t i = 0; i < ls.n; i++) {
        add(s, &ls.l[i].name.n, sizeof(size_t));
        add(s, ls.l[i].name.p, ls.l[i].name.n);
        add(s, ls.l[i].value.p, ls.l[i].value.n);
    }
    record_series_add(&s->series, ref, ls);
    return FER_OK;
}

static fer_code see_sample(void *arg, uint64_t ref, int64_t t, double v)
{
    seen *s = arg;
    add(s, &ref, sizeof ref);
    add(s, &t, sizeof t);
    add(s, &v, sizeof v);
    record_samples_add(&s->begun, &s->samples, ref, t, v);
    return FER_OK;
}

static fer_code see_tombstone(void *arg, uint64_t ref, int64_t mint, int64_t maxt)
{
    seen *s = arg;
    add(s, &ref, sizeof ref);
    return FER_OK;
}

static fer_code see_metadata(void *arg, const record_metadata *m)
{
    seen *s = arg;
    add(s, m->unit.p, m->unit.n);
    add(s, m->help.p, m->help.n);
    add(s, m->family.p, m->family.n);
    return FER_OK;
}

static fer_code decode(seen *s, fer_str rec)
{
    *s = (seen){0};
    fer_buf_init(&s->series, 16 << 20, NULL);
    fer_buf_init(&s->samples, 16 << 20, NULL);
    record_series_begin(&s->series);
    record_samples_begin(&s->begun, &s->samples);
    record_visitor v = {s, see_series, see_sample, see_tombstone, see_metadata};
    fer_err err;
    fer_code code = record_decode(rec, &v, &err);
    assert(code == FER_OK || (code == err.code && err.msg[0] != '\0'));
    assert(code == FER_OK || code == FER_CORRUPT || code == FER_UNSUPPORTED);
    return code;
}

static void done(seen *s)
{
    fer_buf_done(&s->series);
    fer_buf_done(&s->samples);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_str rec = {(const char *)data, size};
    seen first, again;
    decode(&first, rec);
    uint8_t type = record_type_of(rec);
    int64_t newest;
    if (record_has_times(type)) {
        fer_code code = record_newest(rec, &newest);
        assert(code == FER_OK || code == FER_CORRUPT);
    }
    if (type == RECORD_SERIES || type == RECORD_SAMPLES) {
        const fer_buf *anew = type == RECORD_SERIES ? &first.series : &first.samples;
        fer_code code = decode(&again, fer_buf_str(anew));
        assert(code == FER_OK);
        assert(first.n == again.n && first.sum == again.sum);
        done(&again);
    }
    done(&first);
    return 0;
}
