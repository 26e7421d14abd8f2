/* json.c - a reader of JSON that writes protobuf as it goes, led by tables of the messages' fields.
 *
 * The length of a message is known only behind it: five bytes are kept free for it, which a varint fills
 * whatever its value.
 */
#include "server/otlp/json.h"

#include "base/num.h"
#include "base/utf8.h"
#include "server/remote/pb.h"

enum { LENGTH_BYTES = 5, NAME_BYTES_MAX = 64 };

typedef enum field_kind {
    J_MESSAGE,
    J_STRING,
    J_BASE64,
    J_HEX,
    J_BOOL,
    J_ENUM,
    J_VARINT, /* int64, uint64, uint32 */
    J_ZIGZAG, /* sint32 */
    J_FIXED64,
    J_DOUBLE,
} field_kind;

typedef struct json_field {
    const char *name; /* lowerCamelCase */
    uint32_t num;
    field_kind kind;
    bool list;
    const struct json_field *message;
} json_field;

/* ---- the messages ---- */

static const json_field any_value[8];
static const json_field array_value[] = {{"values", 1, J_MESSAGE, true, any_value}, {0}};
static const json_field key_value[] = {
    {"key", 1, J_STRING, false, NULL}, {"value", 2, J_MESSAGE, false, any_value}, {0}};
static const json_field key_value_list[] = {{"values", 1, J_MESSAGE, true, key_value}, {0}};
static const json_field any_value[8] = {{"stringValue", 1, J_STRING, false, NULL},
                                        {"boolValue", 2, J_BOOL, false, NULL},
                                        {"intValue", 3, J_VARINT, false, NULL},
                                        {"doubleValue", 4, J_DOUBLE, false, NULL},
                                        {"arrayValue", 5, J_MESSAGE, false, array_value},
                                        {"kvlistValue", 6, J_MESSAGE, false, key_value_list},
                                        {"bytesValue", 7, J_BASE64, false, NULL},
                                        {0}};
static const json_field exemplar[] = {{"timeUnixNano", 2, J_FIXED64, false, NULL},
                                      {"asDouble", 3, J_DOUBLE, false, NULL},
                                      {"spanId", 4, J_HEX, false, NULL},
                                      {"traceId", 5, J_HEX, false, NULL},
                                      {"asInt", 6, J_FIXED64, false, NULL},
                                      {"filteredAttributes", 7, J_MESSAGE, true, key_value},
                                      {0}};
static const json_field number_point[] = {{"startTimeUnixNano", 2, J_FIXED64, false, NULL},
                                          {"timeUnixNano", 3, J_FIXED64, false, NULL},
                                          {"asDouble", 4, J_DOUBLE, false, NULL},
                                          {"exemplars", 5, J_MESSAGE, true, exemplar},
                                          {"asInt", 6, J_FIXED64, false, NULL},
                                          {"attributes", 7, J_MESSAGE, true, key_value},
                                          {"flags", 8, J_VARINT, false, NULL},
                                          {0}};
static const json_field histogram_point[] = {{"startTimeUnixNano", 2, J_FIXED64, false, NULL},
                                             {"timeUnixNano", 3, J_FIXED64, false, NULL},
                                             {"count", 4, J_FIXED64, false, NULL},
                                             {"sum", 5, J_DOUBLE, false, NULL},
                                             {"bucketCounts", 6, J_FIXED64, true, NULL},
                                             {"explicitBounds", 7, J_DOUBLE, true, NULL},
                                             {"exemplars", 8, J_MESSAGE, true, exemplar},
                                             {"attributes", 9, J_MESSAGE, true, key_value},
                                             {"flags", 10, J_VARINT, false, NULL},
                                             {"min", 11, J_DOUBLE, false, NULL},
                                             {"max", 12, J_DOUBLE, false, NULL},
                                             {0}};
static const json_field buckets[] = {
    {"offset", 1, J_ZIGZAG, false, NULL}, {"bucketCounts", 2, J_VARINT, true, NULL}, {0}};
static const json_field exponential_point[] = {{"attributes", 1, J_MESSAGE, true, key_value},
                                               {"startTimeUnixNano", 2, J_FIXED64, false, NULL},
                                               {"timeUnixNano", 3, J_FIXED64, false, NULL},
                                               {"count", 4, J_FIXED64, false, NULL},
                                               {"sum", 5, J_DOUBLE, false, NULL},
                                               {"scale", 6, J_ZIGZAG, false, NULL},
                                               {"zeroCount", 7, J_FIXED64, false, NULL},
                                               {"positive", 8, J_MESSAGE, false, buckets},
                                               {"negative", 9, J_MESSAGE, false, buckets},
                                               {"flags", 10, J_VARINT, false, NULL},
                                               {"exemplars", 11, J_MESSAGE, true, exemplar},
                                               {"min", 12, J_DOUBLE, false, NULL},
                                               {"max", 13, J_DOUBLE, false, NULL},
                                               {"zeroThreshold", 14, J_DOUBLE, false, NULL},
                                               {0}};
static const json_field quantile[] = {
    {"quantile", 1, J_DOUBLE, false, NULL}, {"value", 2, J_DOUBLE, false, NULL}, {0}};
static const json_field summary_point[] = {{"startTimeUnixNano", 2, J_FIXED64, false, NULL},
                                           {"timeUnixNano", 3, J_FIXED64, false, NULL},
                                           {"count", 4, J_FIXED64, false, NULL},
                                           {"sum", 5, J_DOUBLE, false, NULL},
                                           {"quantileValues", 6, J_MESSAGE, true, quantile},
                                           {"attributes", 7, J_MESSAGE, true, key_value},
                                           {"flags", 8, J_VARINT, false, NULL},
                                           {0}};
static const json_field gauge[] = {{"dataPoints", 1, J_MESSAGE, true, number_point}, {0}};
static const json_field sum[] = {{"dataPoints", 1, J_MESSAGE, true, number_point},
                                 {"aggregationTemporality", 2, J_ENUM, false, NULL},
                                 {"isMonotonic", 3, J_BOOL, false, NULL},
                                 {0}};
static const json_field histogram[] = {{"dataPoints", 1, J_MESSAGE, true, histogram_point},
                                       {"aggregationTemporality", 2, J_ENUM, false, NULL},
                                       {0}};
static const json_field exponential[] = {{"dataPoints", 1, J_MESSAGE, true, exponential_point},
                                         {"aggregationTemporality", 2, J_ENUM, false, NULL},
                                         {0}};
static const json_field summary[] = {{"dataPoints", 1, J_MESSAGE, true, summary_point}, {0}};
static const json_field metric[] = {{"name", 1, J_STRING, false, NULL},
                                    {"description", 2, J_STRING, false, NULL},
                                    {"unit", 3, J_STRING, false, NULL},
                                    {"gauge", 5, J_MESSAGE, false, gauge},
                                    {"sum", 7, J_MESSAGE, false, sum},
                                    {"histogram", 9, J_MESSAGE, false, histogram},
                                    {"exponentialHistogram", 10, J_MESSAGE, false, exponential},
                                    {"summary", 11, J_MESSAGE, false, summary},
                                    {0}};
static const json_field scope[] = {{"name", 1, J_STRING, false, NULL},
                                   {"version", 2, J_STRING, false, NULL},
                                   {"attributes", 3, J_MESSAGE, true, key_value},
                                   {0}};
static const json_field scope_metrics[] = {{"scope", 1, J_MESSAGE, false, scope},
                                           {"metrics", 2, J_MESSAGE, true, metric},
                                           {"schemaUrl", 3, J_STRING, false, NULL},
                                           {0}};
static const json_field resource[] = {{"attributes", 1, J_MESSAGE, true, key_value}, {0}};
static const json_field resource_metrics[] = {{"resource", 1, J_MESSAGE, false, resource},
                                              {"scopeMetrics", 2, J_MESSAGE, true, scope_metrics},
                                              {"schemaUrl", 3, J_STRING, false, NULL},
                                              {0}};
static const json_field request[] = {{"resourceMetrics", 1, J_MESSAGE, true, resource_metrics},
                                     {0}};

/* ---- reading ---- */

typedef struct reader {
    fer_str text;
    size_t at;
    fer_buf *out;
    const char *what; /* what is wrong at `at` */
    int depth;
} reader;

static fer_code fail(reader *r, const char *what)
{
    r->what = what;
    return FER_INVALID;
}

/* The next byte that is no space, or 0 at the end. */
static char peek(reader *r)
{
    while (r->at < r->text.n) {
        char c = r->text.p[r->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return c;
        r->at++;
    }
    return 0;
}

static bool take(reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->at++;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(reader *r, uint32_t *ret)
{
    uint32_t v = 0;
    if (r->text.n - r->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(r->text.p[r->at + (size_t)i]);
        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    r->at += 4;
    *ret = v;
    return true;
}

/* Behind "\u"; halves of a pair that stand alone become U+FFFD. */
static bool read_rune(reader *r, uint32_t *ret)
{
    uint32_t high, low;
    if (!read_hex4(r, &high))
        return false;
    *ret = high;
    if (high < 0xd800 || high > 0xdfff)
        return true;
    *ret = 0xfffd;
    size_t at = r->at;
    if (high > 0xdbff || !str_has_prefix(str_from(r->text, at), STR("\\u")))
        return true;
    r->at += 2;
    if (!read_hex4(r, &low))
        return false;
    if (low < 0xdc00 || low > 0xdfff)
        r->at = at;
    else
        *ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

static bool read_escape(reader *r, fer_buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->text.n)
        return false;
    char c = r->text.p[r->at++];
    const char *known = c == 0 ? NULL : strchr(from, c);
    if (known != NULL) {
        fer_buf_putc(out, to[known - from]);
        return true;
    }
    uint32_t rune;
    char bytes[4];
    if (c != 'u' || !read_rune(r, &rune))
        return false;
    fer_buf_put(out, bytes, utf8_encode(rune, bytes));
    return true;
}

/* A string, unescaped, appended to out. */
static fer_code read_string(reader *r, fer_buf *out)
{
    if (!take(r, '"'))
        return fail(r, "a string is expected");
    for (;;) {
        size_t from = r->at;
        while (r->at < r->text.n && r->text.p[r->at] != '"' && r->text.p[r->at] != '\\' &&
               (uint8_t)r->text.p[r->at] >= ' ')
            r->at++;
        fer_buf_put(out, r->text.p + from, r->at - from);
        if (r->at == r->text.n || (uint8_t)r->text.p[r->at] < ' ')
            return fail(r, "the string does not end");
        if (r->text.p[r->at++] == '"')
            return FER_OK;
        if (!read_escape(r, out))
            return fail(r, "unknown escape in a string");
    }
}

/* A number or a string that holds one, as text in buf; also "NaN" and "Infinity". */
static fer_code read_scalar(reader *r, char *buf, size_t cap, fer_str *ret)
{
    fer_buf text;
    size_t n = 0;
    if (peek(r) == '"') {
        fer_buf_init(&text, cap, NULL);
        fer_code c = read_string(r, &text);
        if (c == FER_OK && text.full)
            c = fail(r, "a number is expected");
        if (c == FER_OK && text.n != 0)
            memcpy(buf, text.p, n = text.n);
        fer_buf_done(&text);
        *ret = (fer_str){buf, n};
        return c;
    }
    size_t from = r->at;
    while (r->at < r->text.n &&
           (strchr("+-.eE", r->text.p[r->at]) != NULL ||
            (r->text.p[r->at] >= '0' && r->text.p[r->at] <= '9')) &&
           r->text.p[r->at] != 0)
        r->at++;
    *ret = (fer_str){r->text.p + from, r->at - from};
    return ret->n == 0 ? fail(r, "a number is expected") : FER_OK;
}

static bool take_word(reader *r, fer_str word)
{
    peek(r);
    if (!str_has_prefix(str_from(r->text, r->at), word))
        return false;
    r->at += word.n;
    return true;
}

static fer_code skip_value(reader *r);

/* The members of an object or list that is open already. */
static fer_code skip_members(reader *r, char close)
{
    fer_buf none;
    if (take(r, close))
        return FER_OK;
    do {
        if (close == '}') {
            fer_buf_init(&none, 0, NULL);
            FER_TRY(read_string(r, &none));
            if (!take(r, ':'))
                return fail(r, "a colon is expected");
        }
        FER_TRY(skip_value(r));
    } while (take(r, ','));
    return take(r, close) ? FER_OK : fail(r, "a comma or the end of the list is expected");
}

static fer_code skip_value(reader *r)
{
    char number[64];
    fer_str text;
    fer_buf none;
    if (++r->depth > OTLP_JSON_DEPTH_MAX)
        return fail(r, "nested too deeply");
    fer_code c = FER_OK;
    switch (peek(r)) {
    case '{':
    case '[':
        r->at++;
        c = skip_members(r, r->text.p[r->at - 1] == '{' ? '}' : ']');
        break;
    case '"':
        fer_buf_init(&none, 0, NULL);
        c = read_string(r, &none);
        break;
    default:
        if (!take_word(r, STR("null")) && !take_word(r, STR("true")) && !take_word(r, STR("false")))
            c = read_scalar(r, number, sizeof number, &text);
    }
    r->depth--;
    return c;
}

/* ---- writing ---- */

static size_t begin_bytes(fer_buf *out, uint32_t num)
{
    static const char room[LENGTH_BYTES];
    pb_put_tag(out, num, PB_BYTES);
    fer_buf_put(out, room, sizeof room);
    return out->n;
}

static void end_bytes(fer_buf *out, size_t from)
{
    if (out->full)
        return;
    size_t n = out->n - from;
    uint8_t *p = (uint8_t *)out->p + from - LENGTH_BYTES;
    for (int i = 0; i < LENGTH_BYTES; i++, n >>= 7)
        p[i] = (uint8_t)((n & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

static fer_code put_integer(reader *r, const json_field *f)
{
    char buf[64];
    fer_str text;
    int64_t v;
    uint64_t u;
    FER_TRY(read_scalar(r, buf, sizeof buf, &text));
    if (num_parse_i64(text, &v))
        u = (uint64_t)v;
    else if (!num_parse_u64(text, &u))
        return fail(r, "an integer is expected");
    if (f->kind == J_FIXED64) {
        if (!f->list)
            pb_put_tag(r->out, f->num, PB_FIXED64);
        fer_buf_put(r->out, &u, sizeof u);
        return FER_OK;
    }
    if (!f->list)
        pb_put_tag(r->out, f->num, PB_VARINT);
    pb_put_varint(r->out, f->kind == J_ZIGZAG ? u << 1 ^ (0 - (u >> 63)) : u);
    return FER_OK;
}

static fer_code put_double(reader *r, const json_field *f)
{
    char buf[64];
    fer_str text;
    double v;
    FER_TRY(read_scalar(r, buf, sizeof buf, &text));
    if (!num_parse_f64(text, &v))
        return fail(r, "a number is expected");
    if (!f->list)
        pb_put_tag(r->out, f->num, PB_FIXED64);
    fer_buf_put(r->out, &v, sizeof v);
    return FER_OK;
}

static fer_code put_bool(reader *r, const json_field *f)
{
    bool yes = take_word(r, STR("true"));
    if (!yes && !take_word(r, STR("false")))
        return fail(r, "true or false is expected");
    pb_put_tag(r->out, f->num, PB_VARINT);
    pb_put_varint(r->out, yes);
    return FER_OK;
}

/* AggregationTemporality, the one enumeration here. */
static fer_code put_enum(reader *r, const json_field *f)
{
    static const fer_str names[] = {{"\"AGGREGATION_TEMPORALITY_UNSPECIFIED\"", 37},
                                    {"\"AGGREGATION_TEMPORALITY_DELTA\"", 31},
                                    {"\"AGGREGATION_TEMPORALITY_CUMULATIVE\"", 36}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (take_word(r, names[i])) {
            pb_put_tag(r->out, f->num, PB_VARINT);
            pb_put_varint(r->out, i);
            return FER_OK;
        }
    json_field number = *f;
    number.kind = J_VARINT;
    return put_integer(r, &number);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Decodes [from, end of out) in place; false when it is no such text. */
static bool decode_in_place(fer_buf *out, size_t from, field_kind kind)
{
    unsigned per_digit = kind == J_HEX ? 4 : 6, bits = 0, n_bits = 0;
    size_t to = from;
    while (kind == J_BASE64 && out->n > from && out->p[out->n - 1] == '=')
        out->n--;
    for (size_t i = from; i < out->n; i++) {
        int d = kind == J_HEX ? hex_digit(out->p[i]) : base64_digit(out->p[i]);
        if (d < 0)
            return false;
        bits = (bits << per_digit | (unsigned)d) & 0xffff;
        n_bits += per_digit;
        if (n_bits >= 8)
            out->p[to++] = (char)(bits >> (n_bits -= 8) & 0xff);
    }
    out->n = to;
    return n_bits < per_digit;
}

static fer_code put_text(reader *r, const json_field *f)
{
    size_t from = begin_bytes(r->out, f->num);
    FER_TRY(read_string(r, r->out));
    if (f->kind != J_STRING && !r->out->full && !decode_in_place(r->out, from, f->kind))
        return fail(r, f->kind == J_HEX ? "hex digits are expected" : "base64 is expected");
    end_bytes(r->out, from);
    return FER_OK;
}

static fer_code put_object(reader *r, const json_field *fields);

static fer_code put_value(reader *r, const json_field *f)
{
    switch (f->kind) {
    case J_MESSAGE: {
        size_t from = begin_bytes(r->out, f->num);
        FER_TRY(put_object(r, f->message));
        end_bytes(r->out, from);
        return FER_OK;
    }
    case J_STRING:
    case J_BASE64:
    case J_HEX:
        return put_text(r, f);
    case J_BOOL:
        return put_bool(r, f);
    case J_ENUM:
        return put_enum(r, f);
    case J_DOUBLE:
        return put_double(r, f);
    default:
        return put_integer(r, f);
    }
}

/* Numbers are packed into one field. */
static fer_code put_list(reader *r, const json_field *f)
{
    bool packed = f->kind != J_MESSAGE;
    if (!take(r, '['))
        return fail(r, "a list is expected");
    if (take(r, ']'))
        return FER_OK;
    size_t from = packed ? begin_bytes(r->out, f->num) : 0;
    do
        FER_TRY(put_value(r, f));
    while (take(r, ','));
    if (!take(r, ']'))
        return fail(r, "a comma or the end of the list is expected");
    if (packed)
        end_bytes(r->out, from);
    return FER_OK;
}

/* The field of a name as it stands in the text, in lowerCamelCase or snake_case; NULL: none. */
static const json_field *find_field(const json_field *fields, fer_str name)
{
    char camel[NAME_BYTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < name.n && n < sizeof camel; i++) {
        char c = name.p[i];
        bool up = i != 0 && name.p[i - 1] == '_' && c >= 'a' && c <= 'z';
        if (c != '_')
            camel[n++] = up ? (char)(c - 32) : c;
    }
    for (; fields->name != NULL; fields++)
        if (str_eq(str_of(fields->name), (fer_str){camel, n}))
            return fields;
    return NULL;
}

static fer_code put_member(reader *r, const json_field *fields)
{
    fer_buf name;
    fer_buf_init(&name, NAME_BYTES_MAX, NULL); /* longer names are cut: they are unknown */
    fer_code c = read_string(r, &name);
    const json_field *f = c == FER_OK ? find_field(fields, fer_buf_str(&name)) : NULL;
    fer_buf_done(&name);
    FER_TRY(c);
    if (!take(r, ':'))
        return fail(r, "a colon is expected");
    if (f == NULL)
        return skip_value(r);
    if (take_word(r, STR("null")))
        return FER_OK;
    return f->list ? put_list(r, f) : put_value(r, f);
}

/* An object's members as the fields of a message. */
static fer_code put_object(reader *r, const json_field *fields)
{
    if (++r->depth > OTLP_JSON_DEPTH_MAX)
        return fail(r, "nested too deeply");
    if (!take(r, '{'))
        return fail(r, "an object is expected");
    if (!take(r, '}')) {
        do
            FER_TRY(put_member(r, fields));
        while (take(r, ','));
        if (!take(r, '}'))
            return fail(r, "a comma or the end of the object is expected");
    }
    r->depth--;
    return FER_OK;
}

fer_code otlp_json_to_protobuf(fer_str text, fer_buf *out, fer_err *err)
{
    reader r = {.text = text, .out = out};
    fer_code c = put_object(&r, request);
    if (c == FER_OK && peek(&r) != 0)
        c = fail(&r, "something stands behind the request");
    if (out->full)
        return fer_fail(err, FER_LIMIT, "OTLP request: memory budget used up");
    if (c != FER_OK)
        return fer_fail(err, FER_INVALID, "json: %s at byte %zu", r.what, r.at);
    return FER_OK;
}
