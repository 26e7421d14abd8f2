/* label_fn.c - label_replace() and label_join().
 *
 * Both look at labels only. What a source value becomes is worked out once per distinct value, by id.
 */
#include "base/regex.h"
#include "base/utf8.h"
#include "promql/exec/oper.h"

enum { REPLACED_BYTES_MAX = 1 << 20, GROUPS_MAX = 100 };

#define UNKNOWN 0
#define NOT_MATCHED UINT32_MAX

typedef struct label_op {
    oper o;
    oper *of;
    uint32_t dst;
    fer_str repl; /* label_replace */
    uint32_t src;
    fer_regex *re;
    uint32_t *memo; /* by source id: UNKNOWN, NOT_MATCHED or destination id + 1 */
    size_t memo_n, memo_cap;
    fer_str sep; /* label_join */
    lset_names srcs;
    fer_buf text;
    lset_buf labels;
    lset_guard guard;
} label_op;

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The name behind a `$` at the start of s: "name" or "{name}"; the bytes it takes, 0 when there is
 * none. */
static size_t template_name(fer_str s, fer_str *ret)
{
    bool brace = s.n > 1 && s.p[1] == '{';
    size_t i = brace ? 2 : 1, from = i;
    while (i < s.n && is_word(s.p[i]))
        i++;
    if (i == from || (brace && (i == s.n || s.p[i] != '}')))
        return 0;
    *ret = (fer_str){s.p + from, i - from};
    return brace ? i + 1 : i;
}

/* The number of a group named so; -1 for none. */
static int group_number(const fer_regex *re, fer_str name)
{
    int n = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < '0' || name.p[i] > '9' || n >= 100000000)
            return fer_regex_group_index(re, name);
        n = n * 10 + (name.p[i] - '0');
    }
    if (name.n > 1 && name.p[0] == '0') /* $01 is no number */
        return fer_regex_group_index(re, name);
    return n;
}

/* Go's regexp Expand. */
static void expand(label_op *l, const fer_str *groups, size_t n_groups)
{
    fer_str s = l->repl;
    while (s.n > 0) {
        const char *dollar = memchr(s.p, '$', s.n);
        size_t plain = dollar == NULL ? s.n : (size_t)(dollar - s.p);
        fer_buf_put(&l->text, s.p, plain);
        s = str_from(s, plain);
        if (s.n == 0)
            return;
        if (s.n > 1 && s.p[1] == '$') {
            fer_buf_putc(&l->text, '$');
            s = str_from(s, 2);
            continue;
        }
        fer_str name;
        size_t used = template_name(s, &name);
        if (used == 0) {
            fer_buf_putc(&l->text, '$');
            s = str_from(s, 1);
            continue;
        }
        int g = group_number(l->re, name);
        if (g >= 0 && (size_t)g < n_groups && groups[g].p != NULL)
            fer_buf_puts(&l->text, groups[g]);
        s = str_from(s, used);
    }
}

/* The id of the text in l->text. */
static fer_code text_id(label_op *l, uint32_t *ret)
{
    if (l->text.full)
        return query_fail(l->o.q, "label value too long");
    *ret = query_sym(l->o.q, fer_buf_str(&l->text));
    return *ret == SYM_NONE ? QUERY_NOMEM(l->o.q) : FER_OK;
}

static fer_code replaced(label_op *l, uint32_t value, uint32_t *ret)
{
    query *q = l->o.q;
    if (!query_grow(q, &l->memo, &l->memo_cap, value + 1, sizeof *l->memo))
        return QUERY_NOMEM(q);
    if (value >= l->memo_n) {
        memset(l->memo + l->memo_n, 0, (value + 1 - l->memo_n) * sizeof *l->memo);
        l->memo_n = value + 1;
    }
    if (l->memo[value] == UNKNOWN) {
        fer_str groups[GROUPS_MAX];
        size_t n = fer_regex_group_count(l->re) + 1;
        n = n < GROUPS_MAX ? n : GROUPS_MAX;
        uint32_t id = NOT_MATCHED - 1;
        if (fer_regex_groups(l->re, syms_text(q->ctx.syms, value), groups, n)) {
            fer_buf_clear(&l->text);
            expand(l, groups, n);
            FER_TRY(text_id(l, &id));
        }
        l->memo[value] = id + 1;
    }
    *ret = l->memo[value] == NOT_MATCHED ? NOT_MATCHED : l->memo[value] - 1;
    return FER_OK;
}

static fer_code put(label_op *l, vec *v, uint32_t value)
{
    query *q = l->o.q;
    FER_TRY(lset_set_to(q, &l->labels, v->labels));
    FER_TRY(lset_put(q, &l->labels, l->dst, value));
    v->labels = lset_of(&l->labels);
    if (l->dst == q->sym_name)
        v->drop_name = false;
    return FER_OK;
}

static fer_code replace_next(oper *o, vec *ret)
{
    label_op *l = (label_op *)o;
    uint32_t value = 0;
    FER_TRY(oper_next(l->of, ret));
    FER_TRY(query_work(o->q, 8));
    FER_TRY(replaced(l, lset_get(ret->labels, l->src), &value));
    if (value != NOT_MATCHED)
        FER_TRY(put(l, ret, value));
    return oper_fail_behind(l->of, lset_guard_add(o->q, &l->guard, ret->labels, ret->has));
}

static fer_code join_next(oper *o, vec *ret)
{
    label_op *l = (label_op *)o;
    uint32_t value = 0;
    FER_TRY(oper_next(l->of, ret));
    FER_TRY(query_work(o->q, 8));
    fer_buf_clear(&l->text);
    for (size_t i = 0; i < l->srcs.n; i++) {
        if (i > 0)
            fer_buf_puts(&l->text, l->sep);
        fer_buf_puts(&l->text, lset_get_text(o->q, ret->labels, l->srcs.ids[i]));
    }
    FER_TRY(text_id(l, &value));
    FER_TRY(put(l, ret, value));
    return oper_fail_behind(l->of, lset_guard_add(o->q, &l->guard, ret->labels, ret->has));
}

static void close_op(void *arg)
{
    label_op *l = arg;
    fer_buf_done(&l->text);
    fer_regex_free(l->re);
}

static bool is_label_name(fer_str s)
{
    return s.n != 0 && utf8_valid(s);
}

static fer_str text_arg(const plan *p, size_t i)
{
    return p->args[i]->e->u.string;
}

static fer_code build(query *q, const plan *p, eval_ctx ec, fer_code (*next)(oper *o, vec *ret),
                      label_op **ret)
{
    label_op *l = oper_new(q, sizeof *l, p, ec.g, next);
    if (l == NULL)
        return QUERY_NOMEM(q);
    fer_buf_init(&l->text, REPLACED_BYTES_MAX, q->ctx.acct);
    if (!fer_arena_on_close(q->scratch, close_op, l))
        return query_no_memory(q);
    l->dst = query_sym(q, text_arg(p, 1));
    if (l->dst == SYM_NONE)
        return QUERY_NOMEM(q);
    lset_guard_init(&l->guard, ec.g->n);
    *ret = l;
    return FER_OK;
}

fer_code label_replace_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    label_op *l = NULL;
    fer_str pattern = text_arg(p, 4), dst = text_arg(p, 1);
    FER_TRY(build(q, p, ec, replace_next, &l));
    if (fer_regex_new(pattern, &l->re, NULL) != FER_OK)
        return query_fail(q, "invalid regular expression in label_replace(): %.*s",
                          STR_FMT(pattern));
    if (!is_label_name(dst))
        return query_fail(q, "invalid destination label name in label_replace(): %.*s",
                          STR_FMT(dst));
    l->repl = text_arg(p, 2);
    l->src = query_sym(q, text_arg(p, 3));
    if (l->src == SYM_NONE)
        return QUERY_NOMEM(q);
    FER_TRY(oper_build(q, p->args[0], ec, &l->of));
    *ret = &l->o;
    return FER_OK;
}

fer_code label_join_build(query *q, const plan *p, eval_ctx ec, oper **ret)
{
    label_op *l = NULL;
    fer_str dst = text_arg(p, 1);
    FER_TRY(build(q, p, ec, join_next, &l));
    fer_str *names = QUERY_ARRAY(q, fer_str, p->n_args - 3);
    if (names == NULL)
        return QUERY_NOMEM(q);
    for (size_t i = 3; i < p->n_args; i++) {
        names[i - 3] = text_arg(p, i);
        if (!is_label_name(names[i - 3]))
            return query_fail(q, "invalid source label name in label_join(): %.*s",
                              STR_FMT(names[i - 3]));
    }
    if (!is_label_name(dst))
        return query_fail(q, "invalid destination label name in label_join(): %.*s", STR_FMT(dst));
    FER_TRY(lset_names_make(q, names, p->n_args - 3, &l->srcs));
    l->sep = text_arg(p, 2);
    FER_TRY(oper_build(q, p->args[0], ec, &l->of));
    *ret = &l->o;
    return FER_OK;
}
