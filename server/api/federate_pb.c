/* federate_pb.c - protobuf by hand: proto2, so that what is set is written, zero or not. */
#include "server/api/federate_pb.h"

#include <string.h>

#include "server/remote/pb.h"

enum { FAMILY_BYTES_MAX = 512 * 1024 * 1024, NAME_BYTES_MAX = 64 * 1024 };

/* MetricType + 1; 0 is none. */
enum { KIND_UNTYPED = 4, KIND_HISTOGRAM = 5, KIND_GAUGE_HISTOGRAM = 6 };

void federate_pb_init(federate_pb *p, fer_account *acct)
{
    fer_buf_init(&p->name, NAME_BYTES_MAX, acct);
    fer_buf_init(&p->family, FAMILY_BYTES_MAX, acct);
    fer_buf_init(&p->metric, FAMILY_BYTES_MAX, acct);
    p->kind = 0;
}

void federate_pb_done(federate_pb *p)
{
    fer_buf_done(&p->name);
    fer_buf_done(&p->family);
    fer_buf_done(&p->metric);
}

bool federate_pb_full(const federate_pb *p)
{
    return p->name.full || p->family.full || p->metric.full;
}

static void put_number(fer_buf *out, uint32_t num, uint64_t v)
{
    pb_put_tag(out, num, PB_VARINT);
    pb_put_varint(out, v);
}

static void put_signed(fer_buf *out, uint32_t num, int32_t v)
{
    put_number(out, num, v < 0 ? ~((uint32_t)v << 1) : (uint32_t)v << 1);
}

static void put_double(fer_buf *out, uint32_t num, double v)
{
    pb_put_tag(out, num, PB_FIXED64);
    fer_buf_put(out, &v, sizeof v); /* little-endian, as all machines we run on */
}

static void put_name(fer_buf *out, uint32_t num, name_escaping e, fer_str name)
{
    fer_buf escaped;
    fer_buf_init(&escaped, NAME_BYTES_MAX, NULL);
    federate_put_name(&escaped, e, name);
    pb_put_bytes(out, num, fer_buf_str(&escaped));
    fer_buf_done(&escaped);
}

static int kind_of(const histogram *h)
{
    if (h == NULL)
        return KIND_UNTYPED;
    return h->reset_hint == HISTOGRAM_GAUGE ? KIND_GAUGE_HISTOGRAM : KIND_HISTOGRAM;
}

void federate_pb_flush(federate_pb *p, fer_buf *out)
{
    if (p->kind == 0)
        return;
    pb_put_varint(out, p->family.n);
    fer_buf_puts(out, fer_buf_str(&p->family));
    fer_buf_clear(&p->family);
    p->kind = 0;
}

void federate_pb_begin(federate_pb *p, name_escaping e, fer_str name, const histogram *h,
                       fer_buf *out)
{
    int kind = kind_of(h);
    if (p->kind != kind || !str_eq(name, fer_buf_str(&p->name))) {
        federate_pb_flush(p, out);
        p->kind = kind;
        fer_buf_clear(&p->name);
        fer_buf_puts(&p->name, name);
        put_name(&p->family, 1, e, name);
        put_number(&p->family, 3, (uint64_t)kind - 1);
    }
    fer_buf_clear(&p->metric);
}

void federate_pb_label(fer_buf *metric, name_escaping e, fer_str name, fer_str value)
{
    fer_buf pair;
    fer_buf_init(&pair, FAMILY_BYTES_MAX, NULL);
    put_name(&pair, 1, e, name);
    pb_put_bytes(&pair, 2, value);
    pb_put_bytes(metric, 1, fer_buf_str(&pair));
    fer_buf_done(&pair);
}

static void put_spans(fer_buf *out, uint32_t num, const histogram_span *spans, uint32_t n)
{
    fer_buf one;
    fer_buf_init(&one, 64, NULL);
    for (uint32_t i = 0; i < n; i++) {
        fer_buf_clear(&one);
        put_signed(&one, 1, spans[i].offset);
        put_number(&one, 2, spans[i].length);
        pb_put_bytes(out, num, fer_buf_str(&one));
    }
    fer_buf_done(&one);
}

static void put_counts(fer_buf *out, uint32_t num, const double *counts, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        put_double(out, num, counts[i]);
}

static void put_histogram(fer_buf *out, const histogram *h)
{
    put_double(out, 2, h->sum);
    put_double(out, 4, h->count);
    put_signed(out, 5, h->schema);
    put_double(out, 6, h->zero_threshold);
    put_double(out, 8, h->zero_count);
    put_spans(out, 9, h->neg_spans, h->n_neg_spans);
    put_counts(out, 11, h->neg, h->n_neg);
    put_spans(out, 12, h->pos_spans, h->n_pos_spans);
    put_counts(out, 14, h->pos, h->n_pos);
}

void federate_pb_end(federate_pb *p, int64_t t_ms, double v, const histogram *h)
{
    fer_buf value;
    fer_buf_init(&value, FAMILY_BYTES_MAX, NULL);
    if (h == NULL) {
        put_double(&value, 1, v);
        pb_put_bytes(&p->metric, 5, fer_buf_str(&value));
    }
    put_number(&p->metric, 6, (uint64_t)t_ms);
    if (h != NULL) {
        put_histogram(&value, h);
        pb_put_bytes(&p->metric, 7, fer_buf_str(&value));
    }
    fer_buf_done(&value);
    pb_put_bytes(&p->family, 4, fer_buf_str(&p->metric));
}
