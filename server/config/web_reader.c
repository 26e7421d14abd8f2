/* web_reader.c - scalars, sections and faults. */
#include "server/config/web_reader.h"

#include <math.h>

#include "base/num.h"

enum { FAULTS_BYTES_MAX = 16 * 1024, SHOWN_BYTES = 10, CUT_BYTES = 7 };

void web_reader_init(web_reader *r, fer_arena *a)
{
    *r = (web_reader){.a = a};
    fer_buf_init(&r->faults, FAULTS_BYTES_MAX, NULL);
}

void web_reader_done(web_reader *r)
{
    fer_buf_done(&r->faults);
}

fer_code web_reader_end(web_reader *r, fer_err *err)
{
    if (r->line == 0)
        return FER_OK;
    return fer_fail(err, FER_INVALID, "yaml: unmarshal errors:%.*s",
                    STR_FMT(fer_buf_str(&r->faults)));
}

static void begin_fault(web_reader *r, int line)
{
    if (r->line == 0)
        r->line = line;
    fer_buf_printf(&r->faults, "\n  line %d: ", line);
}

/* ---- what a plain scalar is ---- */

static bool one_of(fer_str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(s, str_of(words[i])))
            return true;
    return false;
}

/* The words of YAML 1.1. */
static bool bool_of(const yaml_node *n, bool *ret)
{
    static const char *const yes[] = {"y",  "Y",  "yes",  "Yes",  "YES", "on",
                                      "On", "ON", "true", "True", "TRUE"};
    static const char *const no[] = {"n",   "N",   "no",    "No",    "NO",   "off",
                                     "Off", "OFF", "false", "False", "FALSE"};
    if (n->kind != YAML_SCALAR || n->quoted)
        return false;
    *ret = one_of(n->text, yes, sizeof yes / sizeof *yes);
    return *ret || one_of(n->text, no, sizeof no / sizeof *no);
}

static const char *tag_of(const yaml_node *n)
{
    bool b;
    int64_t i;
    double d;
    switch (n->kind) {
    case YAML_NULL:
        return "!!null";
    case YAML_LIST:
        return "!!seq";
    case YAML_MAP:
        return "!!map";
    case YAML_SCALAR:
        break;
    }
    if (n->quoted)
        return "!!str";
    if (bool_of(n, &b))
        return "!!bool";
    if (num_parse_i64(n->text, &i))
        return "!!int";
    return num_parse_f64(n->text, &d) && isfinite(d) ? "!!float" : "!!str";
}

void web_reader_mismatch(web_reader *r, const yaml_node *n, const char *type)
{
    begin_fault(r, n->line);
    fer_buf_printf(&r->faults, "cannot unmarshal %s ", tag_of(n));
    if (n->kind == YAML_SCALAR && n->text.n > SHOWN_BYTES)
        fer_buf_printf(&r->faults, "`%.*s...` ", CUT_BYTES, n->text.p);
    else if (n->kind == YAML_SCALAR)
        fer_buf_printf(&r->faults, "`%.*s` ", STR_FMT(n->text));
    fer_buf_printf(&r->faults, "into %s", type);
}

/* ---- values ---- */

static bool read_text(web_reader *r, const yaml_node *n, const char *type, fer_str *ret)
{
    *ret = STR("");
    if (n->kind == YAML_SCALAR)
        *ret = n->text;
    else if (n->kind != YAML_NULL)
        web_reader_mismatch(r, n, type);
    return n->kind == YAML_SCALAR || n->kind == YAML_NULL;
}

bool web_read_text(web_reader *r, const yaml_node *n, fer_str *ret)
{
    return read_text(r, n, "string", ret);
}

fer_code web_read_secret(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    (void)err;
    read_text(r, n, "config.plain", into);
    return FER_OK;
}

fer_code web_read_str(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    (void)err;
    web_read_text(r, n, into);
    return FER_OK;
}

fer_code web_read_bool(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    (void)err;
    if (!bool_of(n, into))
        web_reader_mismatch(r, n, "bool");
    return FER_OK;
}

/* A plain number; what is behind its point is dropped. */
static bool number_of(const yaml_node *n, int64_t *ret)
{
    double d;
    if (n->kind != YAML_SCALAR || n->quoted)
        return false;
    if (num_parse_i64(n->text, ret))
        return true;
    if (!num_parse_f64(n->text, &d) || !(d > -9.2e18 && d < 9.2e18))
        return false;
    *ret = (int64_t)d;
    return true;
}

fer_code web_read_int(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    (void)err;
    if (!number_of(n, into))
        web_reader_mismatch(r, n, "int");
    return FER_OK;
}

/* Go's time.ParseDuration: "1h30m", "1.5s", "-2ms"; no number without a unit but 0. */
static bool parse_nanos(fer_str s, int64_t *ret)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
                 {"ms", 1e6}, {"s", 1e9},  {"m", 6e10},        {"h", 3.6e12}};
    bool negative = s.n != 0 && s.p[0] == '-';
    if (s.n != 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = str_from(s, 1);
    double sum = 0;
    if (str_eq(s, STR("0"))) {
        *ret = 0;
        return true;
    }
    bool any = s.n != 0;
    while (s.n != 0) {
        size_t digits = 0, unit;
        while (digits < s.n && ((s.p[digits] >= '0' && s.p[digits] <= '9') || s.p[digits] == '.'))
            digits++;
        size_t end = digits;
        while (end < s.n && s.p[end] != '.' && !(s.p[end] >= '0' && s.p[end] <= '9'))
            end++;
        double number;
        fer_str name = {s.p + digits, end - digits};
        for (unit = 0; unit < sizeof units / sizeof *units; unit++)
            if (str_eq(name, str_of(units[unit].name)))
                break;
        if (unit == sizeof units / sizeof *units || !num_parse_f64(str_head(s, digits), &number))
            return false;
        sum += number * units[unit].ns;
        s = str_from(s, end);
    }
    if (!any || sum >= 9.2e18)
        return false;
    *ret = negative ? -(int64_t)sum : (int64_t)sum;
    return true;
}

fer_code web_read_nanos(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    (void)err;
    if (!number_of(n, into) && (n->kind != YAML_SCALAR || !parse_nanos(n->text, into)))
        web_reader_mismatch(r, n, "time.Duration");
    return FER_OK;
}

static fer_code read_pairs(web_reader *r, const yaml_node *n, const char *type,
                           const char *value_type, web_pairs *ret, fer_err *err)
{
    if (n->kind != YAML_MAP) {
        web_reader_mismatch(r, n, type);
        return FER_OK;
    }
    ret->v = ARENA_ARRAY(r->a, web_pair, n->n + 1);
    if (ret->v == NULL)
        return fer_fail_budget(err, "web configuration");
    for (size_t i = 0; i < n->n; i++) {
        web_pair p = {.name = n->pairs[i].key};
        if (read_text(r, n->pairs[i].value, value_type, &p.value))
            ret->v[ret->n++] = p;
    }
    return FER_OK;
}

fer_code web_read_pairs(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    return read_pairs(r, n, "map[string]string", "string", into, err);
}

fer_code web_read_secrets(web_reader *r, const yaml_node *n, void *into, fer_err *err)
{
    return read_pairs(r, n, "map[string]config.Secret", "config.plain", into, err);
}

/* ---- sections ---- */

static const web_field *find_field(const web_field *fields, fer_str key)
{
    for (; fields->key != NULL; fields++)
        if (str_eq(key, str_of(fields->key)))
            return fields;
    return NULL;
}

fer_code web_read_section(web_reader *r, const yaml_node *n, const char *type,
                          const web_field *fields, void *into, fer_err *err)
{
    if (n->kind != YAML_MAP && n->kind != YAML_NULL)
        web_reader_mismatch(r, n, type);
    for (size_t i = 0; n->kind == YAML_MAP && i < n->n; i++) {
        const yaml_pair *p = &n->pairs[i];
        const web_field *f = find_field(fields, p->key);
        if (f == NULL) {
            begin_fault(r, p->key_line);
            fer_buf_printf(&r->faults, "field %.*s not found in type %s", STR_FMT(p->key), type);
        } else if (p->value->kind != YAML_NULL) {
            fer_code c = f->read(r, p->value, (char *)into + f->offset, err);
            if (c != FER_OK && r->line == 0)
                r->line = p->value->line;
            FER_TRY(c);
        }
    }
    return FER_OK;
}
