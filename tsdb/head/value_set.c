#include "tsdb/head/value_set.h"

size_t value_set_listed(const value_set *s, const fer_str **ret)
{
    const matcher *m = s->m;
    switch (m->type) {
    case MATCH_EQ:
    case MATCH_NE:
        *ret = &m->value;
        return m->value.n != 0;
    case MATCH_RE:
        return s->forbids ? 0 : fer_regex_literals(m->re, ret);
    case MATCH_NRE:
        return s->forbids ? fer_regex_literals(m->re, ret) : 0;
    }
    return 0;
}
