/* exemplar.c - Exemplar { fixed64 time_unix_nano = 2; oneof { double as_double = 3; sfixed64 as_int = 6; }
 *     bytes span_id = 4; bytes trace_id = 5; repeated KeyValue filtered_attributes = 7; } */
#include "server/otlp/exemplar.h"

#include "base/utf8.h"
#include "server/otlp/point.h"
#include "server/otlp/value.h"
#include "server/remote/pb.h"
#include "tsdb/head/exemplars.h"
#include "tsdb/samples.h"

enum { ID_BYTES_MAX = 64 };

typedef struct fields {
    uint64_t time_ns;
    double value;
    fer_str trace, span;
    size_t n_attributes;
} fields;

static bool has_type(const pb_field *f)
{
    static const uint8_t types[] = {[2] = PB_FIXED64, [3] = PB_FIXED64, [4] = PB_BYTES,
                                    [5] = PB_BYTES,   [6] = PB_FIXED64, [7] = PB_BYTES};
    return f->type == types[f->num];
}

static fer_code read_fields(fer_str msg, fields *ret)
{
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num < 2 || f.num > 7)
            continue;
        if (!has_type(&f))
            return FER_CORRUPT;
        if (f.num == 2)
            ret->time_ns = f.u;
        else if (f.num == 3)
            ret->value = f64_of_bits(f.u);
        else if (f.num == 4)
            ret->span = f.bytes;
        else if (f.num == 5)
            ret->trace = f.bytes;
        else if (f.num == 6)
            ret->value = (double)(int64_t)f.u;
        else
            ret->n_attributes++;
    }
}

static size_t count_runes(fer_str s)
{
    size_t n = 0;
    for (uint32_t rune; s.n != 0; n++) {
        size_t len = utf8_decode(s, &rune);
        s = str_from(s, len == 0 ? 1 : len);
    }
    return n;
}

/* An id of zeros is none. */
static fer_code add_id(otlp_exemplar *e, fer_arena *a, fer_str name, fer_str id, size_t *runes)
{
    static const char digits[] = "0123456789abcdef";
    bool empty = true;
    for (size_t i = 0; i < id.n; i++)
        empty = empty && id.p[i] == 0;
    if (empty || id.n > ID_BYTES_MAX)
        return FER_OK;
    char *hex = fer_arena_alloc(a, 2 * id.n);
    if (hex == NULL)
        return FER_LIMIT;
    for (size_t i = 0; i < id.n; i++) {
        hex[2 * i] = digits[(uint8_t)id.p[i] >> 4];
        hex[2 * i + 1] = digits[(uint8_t)id.p[i] & 15];
    }
    e->labels[e->n_labels++] = (label){name, {hex, 2 * id.n}};
    *runes += name.n + 2 * id.n;
    return FER_OK;
}

static fer_code add_attributes(otlp_exemplar *e, fer_arena *a, fer_str msg, size_t runes)
{
    size_t ids = e->n_labels;
    for (fer_rd r = rd_of(msg);;) {
        pb_field f = {0};
        label l;
        fer_str value;
        if (pb_next(&r, &f) != FER_OK)
            break;
        if (f.num != 7)
            continue;
        FER_TRY(otlp_key_value(f.bytes, &l.name, &value));
        FER_TRY(otlp_value_text(value, a, &l.value));
        e->labels[e->n_labels++] = l;
        runes += count_runes(l.name) + count_runes(l.value);
    }
    if (runes > EXEMPLAR_RUNES_MAX)
        e->n_labels = ids;
    return FER_OK;
}

fer_code otlp_read_exemplar(fer_str msg, fer_arena *a, otlp_exemplar *ret)
{
    fields f = {.trace = STR(""), .span = STR("")};
    FER_TRY(read_fields(msg, &f));
    otlp_exemplar e = {.t = otlp_ms(f.time_ns), .v = f.value};
    e.labels = fer_arena_alloc(a, (2 + f.n_attributes) * sizeof *e.labels);
    if (e.labels == NULL)
        return FER_LIMIT;
    size_t runes = 0;
    FER_TRY(add_id(&e, a, STR("trace_id"), f.trace, &runes));
    FER_TRY(add_id(&e, a, STR("span_id"), f.span, &runes));
    FER_TRY(add_attributes(&e, a, msg, runes));
    *ret = e;
    return FER_OK;
}
