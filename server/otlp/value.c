/* value.c - AnyValue { oneof { string = 1; bool = 2; int64 = 3; double = 4; ArrayValue = 5; KeyValueList = 6;
 * bytes = 7; } }; both lists have their members in field 1. */
#include "server/otlp/value.h"

#include <math.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/text.h"
#include "server/remote/pb.h"

enum { V_STRING = 1, V_BOOL, V_INT, V_DOUBLE, V_ARRAY, V_MAP, V_BYTES };
enum { TEXT_BYTES_MAX = 1 << 20 };

/* Which field of the oneof is there: the last one. num 0: none. */
static fer_code read_value(fer_str msg, pb_field *ret)
{
    static const pb_type types[] = {
        [V_STRING] = PB_BYTES, [V_BOOL] = PB_VARINT, [V_INT] = PB_VARINT, [V_DOUBLE] = PB_FIXED64,
        [V_ARRAY] = PB_BYTES,  [V_MAP] = PB_BYTES,   [V_BYTES] = PB_BYTES};
    fer_rd r = rd_of(msg);
    *ret = (pb_field){0};
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            return FER_OK;
        FER_TRY(c);
        if (f.num > V_BYTES)
            continue;
        if (f.type != types[f.num])
            return FER_CORRUPT;
        *ret = f;
    }
}

fer_code otlp_key_value(fer_str msg, fer_str *ret_key, fer_str *ret_value)
{
    fer_rd r = rd_of(msg);
    fer_str found[2] = {STR(""), STR("")};
    for (;;) {
        pb_field f = {0};
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num > 2)
            continue;
        if (f.type != PB_BYTES)
            return FER_CORRUPT;
        found[f.num - 1] = f.bytes;
    }
    *ret_key = found[0];
    *ret_value = found[1];
    return FER_OK;
}

static void put_base64(fer_buf *out, fer_str s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(uint8_t)s.p[i] << 16;
        v |= left > 1 ? (uint32_t)(uint8_t)s.p[i + 1] << 8 : 0;
        v |= left > 2 ? (uint32_t)(uint8_t)s.p[i + 2] : 0;
        fer_buf_putc(out, digits[v >> 18]);
        fer_buf_putc(out, digits[v >> 12 & 63]);
        fer_buf_putc(out, left > 1 ? digits[v >> 6 & 63] : '=');
        fer_buf_putc(out, left > 2 ? digits[v & 63] : '=');
    }
}

/* As Go's encoding/json: the exponent has no zero in front. */
static void put_double(fer_buf *out, uint64_t bits)
{
    char text[NUM_TEXT_MAX];
    double v;
    memcpy(&v, &bits, sizeof v);
    size_t n = num_format_json(text, v);
    if (n > 4 && text[n - 4] == 'e' && text[n - 2] == '0') {
        text[n - 2] = text[n - 1];
        n--;
    }
    fer_buf_put(out, text, n);
}

static fer_code put_json(fer_buf *out, fer_str msg, int depth);

static fer_code put_array(fer_buf *out, fer_str list, int depth)
{
    fer_rd r = rd_of(list);
    pb_field f = {0};
    fer_buf_putc(out, '[');
    for (bool first = true;; first = false) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        FER_TRY(c);
        if (f.num != 1 || f.type != PB_BYTES)
            return FER_CORRUPT;
        if (!first)
            fer_buf_putc(out, ',');
        FER_TRY(put_json(out, f.bytes, depth + 1));
    }
    fer_buf_putc(out, ']');
    return FER_OK;
}

typedef struct member {
    fer_str key, value;
    size_t at;
} member;

static int cmp_member(const void *x, const void *y)
{
    const member *a = x, *b = y;
    int c = str_cmp(a->key, b->key);
    return c != 0 ? c : (a->at > b->at) - (a->at < b->at);
}

/* The members of a KeyValueList, sorted by key; *ret is malloc'ed. */
static fer_code read_members(fer_str list, member **ret, size_t *ret_n)
{
    size_t n = 0;
    pb_field f = {0};
    for (fer_rd r = rd_of(list); pb_next(&r, &f) == FER_OK;)
        n++;
    member *m = fer_calloc(n + 1, sizeof *m);
    fer_rd r = rd_of(list);
    for (size_t i = 0;; i++) {
        fer_code c = pb_next(&r, &f);
        if (c == FER_END)
            break;
        if (c == FER_OK && (f.num != 1 || f.type != PB_BYTES))
            c = FER_CORRUPT;
        if (c == FER_OK)
            c = otlp_key_value(f.bytes, &m[i].key, &m[i].value);
        if (c != FER_OK) {
            fer_free(m);
            return c;
        }
        m[i].at = i;
    }
    qsort(m, n, sizeof *m, cmp_member);
    *ret = m;
    *ret_n = n;
    return FER_OK;
}

static fer_code put_map(fer_buf *out, fer_str list, int depth)
{
    member *m;
    size_t n;
    fer_code c = read_members(list, &m, &n);
    if (c != FER_OK)
        return c;
    bool first = true;
    fer_buf_putc(out, '{');
    for (size_t i = 0; c == FER_OK && i < n; i++) {
        if (i + 1 < n && str_eq(m[i].key, m[i + 1].key))
            continue; /* the last of equal keys */
        if (!first)
            fer_buf_putc(out, ',');
        first = false;
        text_json(out, m[i].key);
        fer_buf_putc(out, ':');
        c = put_json(out, m[i].value, depth + 1);
    }
    fer_buf_putc(out, '}');
    fer_free(m);
    return c;
}

/* As text_of(), but texts are quoted. */
static fer_code put_json(fer_buf *out, fer_str msg, int depth)
{
    pb_field f;
    if (depth > OTLP_VALUE_DEPTH_MAX)
        return FER_CORRUPT;
    FER_TRY(read_value(msg, &f));
    switch (f.num) {
    case V_STRING:
        text_json(out, f.bytes);
        return FER_OK;
    case V_BOOL:
        fer_buf_puts(out, f.u != 0 ? STR("true") : STR("false"));
        return FER_OK;
    case V_INT:
        fer_buf_printf(out, "%lld", (long long)f.u);
        return FER_OK;
    case V_DOUBLE:
        put_double(out, f.u);
        return FER_OK;
    case V_ARRAY:
        return put_array(out, f.bytes, depth);
    case V_MAP:
        return put_map(out, f.bytes, depth);
    case V_BYTES:
        fer_buf_putc(out, '"');
        put_base64(out, f.bytes);
        fer_buf_putc(out, '"');
        return FER_OK;
    default:
        fer_buf_puts(out, STR("null"));
        return FER_OK;
    }
}

fer_code otlp_value_text(fer_str msg, fer_arena *a, fer_str *ret)
{
    pb_field f;
    FER_TRY(read_value(msg, &f));
    if (f.num == 0 || f.num == V_STRING) {
        *ret = f.num == 0 ? STR("") : f.bytes;
        return FER_OK;
    }
    fer_buf out;
    fer_buf_init(&out, TEXT_BYTES_MAX, NULL);
    fer_code c = FER_OK;
    if (f.num == V_BYTES)
        put_base64(&out, f.bytes);
    else
        c = put_json(&out, msg, 0);
    if (c == FER_OK) {
        fer_str text = fer_arena_dup(a, fer_buf_str(&out));
        if (text.p == NULL || out.full)
            c = FER_LIMIT;
        else
            *ret = text;
    }
    fer_buf_done(&out);
    return c;
}
