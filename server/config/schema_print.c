/* schema_print.c - the walk over the schema that prints. */
#include "server/config/schema_print.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/config/schema.h"
#include "server/config/yaml_out.h"

typedef struct printer {
    yaml_out *out;
    fer_arena *a;
    fer_str dir; /* of the configuration; empty: where the server runs */
    const yaml_node *global;
} printer;

/* ---- values ---- */

static bool is_true(fer_str s)
{
    return str_eq(s, STR("true")) || str_eq(s, STR("True")) || str_eq(s, STR("TRUE")) ||
           str_eq(s, STR("yes")) || str_eq(s, STR("on"));
}

static bool is_zero_text(schema_kind kind, fer_str s)
{
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    switch (kind) {
    case SCHEMA_BOOL:
        return !is_true(s);
    case SCHEMA_INT:
        return num_parse_i64(s, &i) && i == 0;
    case SCHEMA_FLOAT:
        return num_parse_f64(s, &d) && d == 0;
    case SCHEMA_DURATION:
        return text_parse_duration(s, &i, NULL) == FER_OK && i == 0;
    case SCHEMA_SIZE:
        return text_parse_bytes(s, &u) && u == 0;
    case SCHEMA_ANY:
        return false;
    default:
        return s.n == 0;
    }
}

/* What is given behind the key; NULL where that is null, or nothing. */
static const yaml_node *given(const yaml_node *map, const char *key)
{
    const yaml_node *n = yaml_get(map, key);
    return n == NULL || n->kind == YAML_NULL ? NULL : n;
}

/* The node that `silent` stands for. */
static const yaml_node *silent_node(const printer *p, const schema_field *f)
{
    yaml_node *n = f->silent == NULL ? NULL : ARENA_NEW(p->a, yaml_node);
    if (n == NULL)
        return NULL;
    fer_str rest = str_of(f->silent);
    *n = (yaml_node){.kind = YAML_SCALAR, .text = rest};
    if (f->kind != SCHEMA_STRINGS)
        return n;
    size_t most = 1;
    for (size_t i = 0; i < rest.n; i++)
        most += rest.p[i] == '|';
    *n = (yaml_node){.kind = YAML_LIST, .items = ARENA_ARRAY(p->a, yaml_node *, most)};
    for (; n->items != NULL && n->n < most; n->n++) {
        const char *bar = memchr(rest.p, '|', rest.n);
        yaml_node *one = ARENA_NEW(p->a, yaml_node);
        if (one == NULL)
            break;
        *one = (yaml_node){.kind = YAML_SCALAR,
                           .text = str_head(rest, bar == NULL ? rest.n : (size_t)(bar - rest.p))};
        n->items[n->n] = one;
        rest = str_from(rest, bar == NULL ? rest.n : one->text.n + 1);
    }
    return n;
}

/* Neither a list nor a mapping. */
static bool is_single(const schema_field *f)
{
    switch (f->kind) {
    case SCHEMA_SECTION:
    case SCHEMA_SECTIONS:
    case SCHEMA_SECTION_MAP:
    case SCHEMA_STRINGS:
    case SCHEMA_PATHS:
    case SCHEMA_SECRETS:
    case SCHEMA_STRING_MAP:
    case SCHEMA_STRINGS_MAP:
    case SCHEMA_SECRETS_MAP:
        return false;
    default:
        return true;
    }
}

/* The value that counts: given, of global, or of silence; null for a single value is zero. NULL: zero, empty or
 * false. */
static const yaml_node *value_of(const printer *p, const schema_field *f, const yaml_node *map)
{
    const yaml_node *n = f->kind == SCHEMA_REGEX ? yaml_get(map, f->key) : given(map, f->key);
    bool never_zero = f->flags & (SCHEMA_INHERITS | SCHEMA_NONZERO);
    if (never_zero && n != NULL && n->kind == YAML_SCALAR && f->kind != SCHEMA_BOOL &&
        is_zero_text(f->kind, n->text))
        n = NULL;
    if (n != NULL || (!never_zero && is_single(f) && yaml_get(map, f->key) != NULL))
        return n;
    if (f->flags & SCHEMA_INHERITS) {
        const schema_field *globals = schema_find(schema_config, STR("global"))->fields;
        n = value_of(p, schema_find(globals, str_of(f->key)), p->global);
    }
    return n != NULL ? n : silent_node(p, f);
}

static bool are_zero(const printer *p, const schema_field *fields, const yaml_node *map);

static bool is_zero(const printer *p, const schema_field *f, const yaml_node *n)
{
    if (f->kind == SCHEMA_SECTION)
        return f->flags & SCHEMA_GIVEN ? n == NULL : are_zero(p, f->fields, n);
    if (n == NULL || f->kind == SCHEMA_REGEX)
        return n == NULL;
    return n->kind == YAML_SCALAR ? is_zero_text(f->kind, n->text) : n->n == 0;
}

static bool are_zero(const printer *p, const schema_field *fields, const yaml_node *map)
{
    for (const schema_field *f = fields; f->key != NULL; f++) {
        bool zero = f->kind == SCHEMA_INLINE ? are_zero(p, f->fields, map)
                                             : is_zero(p, f, value_of(p, f, map));
        if (!zero)
            return false;
    }
    return true;
}

/* ---- scalars ---- */

/* Without the password between "://user:" and "@", as Go's URL.Redacted(). */
static fer_str redacted(const printer *p, fer_str url)
{
    const char *scheme = url.n == 0 ? NULL : memmem(url.p, url.n, "://", 3);
    if (scheme == NULL)
        return url;
    fer_str rest = str_from(url, (size_t)(scheme - url.p) + 3);
    size_t end = 0, at = SIZE_MAX, colon = SIZE_MAX;
    for (; end < rest.n && rest.p[end] != '/' && rest.p[end] != '?'; end++)
        if (rest.p[end] == '@')
            at = end;
    if (at == SIZE_MAX)
        return url;
    for (size_t i = at; i-- != 0;)
        if (rest.p[i] == ':')
            colon = i;
    if (colon == SIZE_MAX)
        return url;
    fer_str shown = fer_arena_printf(p->a, "%.*sxxxxx%.*s", (int)(rest.p + colon + 1 - url.p),
                                     url.p, (int)(rest.n - at), rest.p + at);
    return shown.p != NULL ? shown : STR("<secret>");
}

/* Appends the part of a path to those in buf; "." is none, ".." takes one away. */
static size_t add_part(char *buf, size_t n, fer_str part, bool rooted)
{
    size_t last = n;
    while (last > 0 && buf[last - 1] != '/')
        last--;
    bool up = str_eq((fer_str){buf + last, n - last}, STR(".."));
    if (part.n == 0 || str_eq(part, STR(".")))
        return n;
    if (str_eq(part, STR("..")) && n > rooted && !up)
        return last > rooted ? last - 1 : rooted;
    if (str_eq(part, STR("..")) && rooted && n == rooted)
        return n;
    if (n > rooted)
        buf[n++] = '/';
    memcpy(buf + n, part.p, part.n);
    return n + part.n;
}

/* A relative path begins in the configuration's directory; the two are joined without "." and "..". */
static fer_str joined(const printer *p, fer_str path)
{
    if (path.n == 0 || path.p[0] == '/')
        return path;
    fer_str whole = fer_arena_printf(p->a, "%.*s/%.*s", STR_FMT(p->dir), STR_FMT(path));
    char *buf = whole.p == NULL ? NULL : fer_arena_alloc(p->a, whole.n + 1);
    if (buf == NULL)
        return path;
    bool rooted = p->dir.n != 0 && p->dir.p[0] == '/';
    size_t n = 0;
    if (rooted)
        buf[n++] = '/';
    while (whole.n != 0) {
        const char *slash = memchr(whole.p, '/', whole.n);
        fer_str part = str_head(whole, slash == NULL ? whole.n : (size_t)(slash - whole.p));
        n = add_part(buf, n, part, rooted);
        whole = str_from(whole, part.n + (slash != NULL));
    }
    return n == 0 ? STR(".") : (fer_str){buf, n};
}

static fer_str lower(const printer *p, fer_str s)
{
    char *buf = fer_arena_alloc(p->a, s.n + 1);
    for (size_t i = 0; buf != NULL && i < s.n; i++)
        buf[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return buf == NULL ? s : (fer_str){buf, s.n};
}

/* Numbers in their shortest form; text where the kind has none. */
static void put_number(const printer *p, schema_kind kind, fer_str s)
{
    char digits[NUM_TEXT_MAX];
    fer_buf text;
    int64_t i = 0;
    uint64_t u = 0;
    double d = 0;
    fer_buf_init(&text, 256, NULL);
    if (kind == SCHEMA_DURATION && text_parse_duration(s, &i, NULL) == FER_OK)
        text_format_duration(&text, i);
    else if (kind == SCHEMA_SIZE && text_parse_bytes(s, &u))
        text_format_bytes(&text, (int64_t)u);
    else if (kind == SCHEMA_INT && num_parse_i64(s, &i))
        fer_buf_put(&text, digits, num_format_i64(digits, i));
    else if (kind == SCHEMA_FLOAT && num_parse_f64(s, &d))
        fer_buf_put(&text, digits, num_format_g(digits, d));
    yaml_out_plain(p->out, fer_buf_str(&text));
    fer_buf_done(&text);
}

static void put_scalar(const printer *p, schema_kind kind, fer_str s)
{
    switch (kind) {
    case SCHEMA_BOOL:
        yaml_out_plain(p->out, is_true(s) ? STR("true") : STR("false"));
        return;
    case SCHEMA_INT:
    case SCHEMA_FLOAT:
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
        put_number(p, kind, s.n == 0 ? STR("0") : s);
        return;
    case SCHEMA_SECRET:
    case SCHEMA_SECRETS:
    case SCHEMA_SECRETS_MAP:
        yaml_out_plain(p->out, s.n == 0 ? STR("null") : STR("<secret>"));
        return;
    case SCHEMA_ANY: /* may hold secrets */
        yaml_out_plain(p->out, STR("<secret>"));
        return;
    case SCHEMA_REGEX:
        if (s.n == 0)
            yaml_out_plain(p->out, STR("null"));
        else
            yaml_out_text(p->out, s);
        return;
    case SCHEMA_WORD:
        yaml_out_text(p->out, lower(p, s));
        return;
    case SCHEMA_URL:
        yaml_out_text(p->out, redacted(p, s));
        return;
    case SCHEMA_PATH:
    case SCHEMA_PATHS:
        yaml_out_text(p->out, joined(p, s));
        return;
    default:
        yaml_out_text(p->out, s);
    }
}

/* ---- lists and mappings ---- */

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

/* Beyond ASCII, everything counts as a letter. */
static bool is_letter(uint32_t c)
{
    return c >= 128 || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The digits of s from i on. */
static size_t digits_at(fer_str s, size_t i)
{
    size_t n = 0;
    while (i + n < s.n && is_digit((unsigned char)s.p[i + n]))
        n++;
    return n;
}

/* The run of digits of s around i, without zeros in front. */
static fer_str number_at(fer_str s, size_t i)
{
    size_t from = i, to = i + digits_at(s, i);
    while (from > 0 && is_digit((unsigned char)s.p[from - 1]))
        from--;
    while (from < to && s.p[from] == '0')
        from++;
    return (fer_str){s.p + from, to - from};
}

static int cmp_size(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

/* As Prometheus' YAML library orders keys: letters after all else, digits by the number that they make, of equal
 * numbers the one with fewer zeros in front. */
static int cmp_key(const void *pa, const void *pb)
{
    fer_str a = (*(const yaml_pair *const *)pa)->key, b = (*(const yaml_pair *const *)pb)->key;
    uint32_t ra = 0, rb = 0;
    size_t i = 0;
    for (;;) {
        size_t n = i < a.n ? utf8_decode(str_from(a, i), &ra) : 0;
        size_t m = i < b.n ? utf8_decode(str_from(b, i), &rb) : 0;
        if (n == 0 || m == 0)
            return cmp_size(a.n, b.n);
        if (ra != rb)
            break;
        i += n;
    }
    if (is_letter(ra) || is_letter(rb))
        return is_letter(ra) && is_letter(rb) ? cmp_size(ra, rb) : is_letter(ra) ? 1 : -1;
    fer_str x = number_at(a, i), y = number_at(b, i);
    if (!str_eq(x, y))
        return x.n != y.n ? cmp_size(x.n, y.n) : str_cmp(x, y);
    if (digits_at(a, i) != digits_at(b, i))
        return cmp_size(digits_at(a, i), digits_at(b, i));
    return cmp_size(ra, rb);
}

static void put_value(const printer *p, const schema_field *f, const yaml_node *n);

static void put_fields(const printer *p, const schema_field *fields, const yaml_node *map)
{
    for (const schema_field *f = fields; f->key != NULL; f++) {
        if (f->kind == SCHEMA_INLINE) {
            put_fields(p, f->fields, map);
            continue;
        }
        const yaml_node *n = value_of(p, f, map);
        if (!(f->flags & SCHEMA_ALWAYS) && is_zero(p, f, n))
            continue;
        yaml_out_text(p->out, str_of(f->key));
        put_value(p, f, n);
    }
}

static void put_section(const printer *p, const schema_field *fields, const yaml_node *map)
{
    yaml_out_map(p->out);
    put_fields(p, fields, map);
    yaml_out_end_map(p->out);
}

static void put_list(const printer *p, const schema_field *f, const yaml_node *n)
{
    yaml_out_list(p->out, f->flags & SCHEMA_FLOW);
    for (size_t i = 0; n != NULL && i < n->n; i++) {
        if (f->kind == SCHEMA_SECTIONS)
            put_section(p, f->fields, n->items[i]);
        else
            put_scalar(p, f->kind, n->items[i]->text);
    }
    yaml_out_end_list(p->out);
}

/* A value of a mapping whose keys are free. */
static void put_member(const printer *p, const schema_field *f, const yaml_node *n)
{
    if (f->kind == SCHEMA_SECTION_MAP)
        put_section(p, f->fields, n);
    else if (f->kind == SCHEMA_STRING_MAP)
        put_scalar(p, f->kind, n->text);
    else
        put_list(p, f, n);
}

static void put_map(const printer *p, const schema_field *f, const yaml_node *n)
{
    size_t count = n == NULL ? 0 : n->n;
    const yaml_pair **sorted = ARENA_ARRAY(p->a, const yaml_pair *, count + 1);
    yaml_out_map(p->out);
    for (size_t i = 0; sorted != NULL && i < count; i++)
        sorted[i] = &n->pairs[i];
    if (sorted != NULL)
        qsort(sorted, count, sizeof *sorted, cmp_key);
    for (size_t i = 0; sorted != NULL && i < count; i++) {
        yaml_out_text(p->out, sorted[i]->key);
        put_member(p, f, sorted[i]->value);
    }
    yaml_out_end_map(p->out);
}

static void put_value(const printer *p, const schema_field *f, const yaml_node *n)
{
    switch (f->kind) {
    case SCHEMA_SECTION:
        put_section(p, f->fields, n);
        return;
    case SCHEMA_SECTIONS:
    case SCHEMA_STRINGS:
    case SCHEMA_PATHS:
    case SCHEMA_SECRETS:
        put_list(p, f, n);
        return;
    case SCHEMA_STRING_MAP:
    case SCHEMA_STRINGS_MAP:
    case SCHEMA_SECRETS_MAP:
    case SCHEMA_SECTION_MAP:
        put_map(p, f, n);
        return;
    default:
        put_scalar(p, f->kind, n == NULL || n->kind == YAML_NULL ? STR("") : n->text);
    }
}

fer_code schema_print(const yaml_node *root, fer_str path, fer_arena *a, fer_buf *to)
{
    fer_str dir = path;
    while (dir.n > 0 && dir.p[dir.n - 1] != '/')
        dir.n--;
    printer p = {yaml_out_begin(to), a, dir, given(root, "global")};
    if (p.out == NULL)
        return FER_NOMEM;
    put_section(&p, schema_config, root);
    return yaml_out_end(p.out);
}
