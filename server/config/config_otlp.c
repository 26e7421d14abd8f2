/* config_otlp.c - the checks and words of Prometheus' OTLPConfig (FEATURES.md section 5). */
#include "server/config/config_otlp.h"

#include <stdatomic.h>
#include <stdlib.h>

static bool is_true(const yaml_node *section, const char *key, bool otherwise)
{
    const yaml_node *n = yaml_get(section, key);
    return n == NULL || n->kind != YAML_SCALAR ? otherwise : str_eq(n->text, STR("true"));
}

static unsigned strategy_of(const yaml_node *section)
{
    static const struct {
        const char *name;
        unsigned bits;
    } names[] = {
        {"UnderscoreEscapingWithSuffixes", OTLP_ESCAPE | OTLP_SUFFIXES},
        {"UnderscoreEscapingWithoutSuffixes", OTLP_ESCAPE},
        {"NoUTF8EscapingWithSuffixes", OTLP_SUFFIXES},
        {"NoTranslation", OTLP_NO_TRANSLATION},
    };
    const yaml_node *n = yaml_get(section, "translation_strategy");
    for (size_t i = 0; n != NULL && i < sizeof names / sizeof *names; i++)
        if (str_eq(n->text, str_of(names[i].name)))
            return names[i].bits;
    return names[0].bits;
}

static int cmp_text(const void *x, const void *y)
{
    return str_cmp(*(const fer_str *)x, *(const fer_str *)y);
}

static fer_code take_list(const yaml_node *n, const char *key, fer_arena *a, otlp_options *o,
                          fer_err *err)
{
    fer_str *texts = ARENA_ARRAY(a, fer_str, n->n);
    if (texts == NULL)
        return fer_fail_budget(err, "configuration");
    for (size_t i = 0; i < n->n; i++)
        texts[i] = n->items[i]->text;
    qsort(texts, n->n, sizeof *texts, cmp_text);
    for (size_t i = 0; i < n->n; i++) {
        if (texts[i].n == 0)
            return fer_fail(err, FER_INVALID, "%d: empty %s in otlp config", n->line, key);
        if (i != 0 && str_eq(texts[i], texts[i - 1]))
            return fer_fail(err, FER_INVALID, "%d: duplicated %s in otlp config: \"%.*s\"", n->line,
                            key, STR_FMT(texts[i]));
    }
    o->attributes = texts;
    o->n_attributes = n->n;
    return FER_OK;
}

static fer_code take_attributes(const yaml_node *n, fer_arena *a, otlp_options *o, fer_err *err)
{
    const yaml_node *promote = yaml_get(n, "promote_resource_attributes");
    const yaml_node *ignore = yaml_get(n, "ignore_resource_attributes");
    bool has_promote = promote != NULL && promote->kind == YAML_LIST && promote->n != 0;
    bool has_ignore = ignore != NULL && ignore->kind == YAML_LIST && ignore->n != 0;
    if (o->promote_all && has_promote)
        return fer_fail(err, FER_INVALID,
                        "%d: 'promote_all_resource_attributes' and 'promote_resource_attributes' "
                        "cannot be configured simultaneously",
                        promote->line);
    if (!o->promote_all && has_ignore)
        return fer_fail(err, FER_INVALID,
                        "%d: 'ignore_resource_attributes' can only be configured if "
                        "'promote_all_resource_attributes' is true",
                        ignore->line);
    if (has_promote)
        return take_list(promote, "promoted OTel resource attribute", a, o, err);
    if (has_ignore)
        return take_list(ignore, "ignored OTel resource attribute", a, o, err);
    return FER_OK;
}

fer_code config_otlp_load(const yaml_node *n, fer_arena *a, otlp_options *ret, fer_err *err)
{
    static _Atomic uint64_t loads;
    otlp_options o = {
        .strategy = strategy_of(n),
        .promote_all = is_true(n, "promote_all_resource_attributes", false),
        .promote_scope = is_true(n, "promote_scope_metadata", false),
        .convert_to_custom = is_true(n, "convert_histograms_to_nhcb", false),
        .keep_identifying = is_true(n, "keep_identifying_resource_attributes", false),
        .version = atomic_fetch_add(&loads, 1),
    };
    o.labels = (otlp_label_style){
        .escape = (o.strategy & OTLP_ESCAPE) != 0,
        .key_before_underscore = is_true(n, "label_name_underscore_sanitization", true),
        .keep_underscores = is_true(n, "label_name_preserve_multiple_underscores", true),
    };
    FER_TRY(take_attributes(n, a, &o, err));
    *ret = o;
    return FER_OK;
}
