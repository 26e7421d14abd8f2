/* hist_check.c - the rules and texts of Prometheus' model/histogram (as of 3.14). */
#include "tsdb/hist_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/num.h"
#include "tsdb/samples.h"

/* ---- rules ---- */

static fer_code check_offset(const histogram_span *span, uint32_t i, fer_err *err)
{
    if (span->offset >= 0)
        return FER_OK;
    return fer_fail(err, FER_INVALID,
                    "span number %" PRIu32 " with offset %" PRId32
                    ": histogram has a span whose offset is negative",
                    i + 1, span->offset);
}

static fer_code check_spans(const hist_side *side, bool first_too, fer_err *err)
{
    for (uint32_t i = first_too ? 0 : 1; i < side->n_spans; i++)
        FER_TRY(check_offset(&side->spans[i], i, err));
    uint64_t need = hist_count_buckets(side->spans, side->n_spans);
    if (need == UINT64_MAX)
        return fer_fail(err, FER_INVALID, "histogram has a span beyond the buckets there can be");
    if (need != side->n_buckets)
        return fer_fail(
            err, FER_INVALID,
            "spans need %" PRIu64 " buckets, have %" PRIu32
            " buckets: histogram spans specify different number of buckets than provided",
            need, side->n_buckets);
    return FER_OK;
}

static fer_code is_negative(uint32_t i, const char *count, fer_err *err)
{
    return fer_fail(err, FER_INVALID,
                    "bucket number %" PRIu32
                    " has observation count of %s: histogram has a bucket whose observation count "
                    "is negative",
                    i + 1, count);
}

/* Adds the counts of an integer histogram to *sum. */
static fer_code check_buckets(const hist_side *side, bool is_float, uint64_t *sum, fer_err *err)
{
    char text[NUM_TEXT_MAX + 1];
    uint64_t count = 0, negative = 0, all = 0;
    for (uint32_t i = 0; is_float && i < side->n_buckets; i++) {
        if (side->buckets[i].f < 0) {
            text[num_format_g(text, side->buckets[i].f)] = '\0';
            return is_negative(i, text, err);
        }
    }
    if (is_float)
        return FER_OK;
    for (uint32_t i = 0; i < side->n_buckets; i++) {
        count += side->buckets[i].u;
        negative |= count; /* has the sign once any had it */
        all += count;
    }
    *sum += all;
    if ((int64_t)negative >= 0)
        return FER_OK;
    uint32_t first = 0;
    for (count = side->buckets[0].u; (int64_t)count >= 0; count += side->buckets[first].u)
        first++;
    snprintf(text, sizeof text, "%" PRId64, (int64_t)count);
    return is_negative(first, text, err);
}

static fer_code check_bounds(const hist_sample *s, fer_err *err)
{
    const hist_side *pos = &s->side[HIST_POS];
    double prev = -INFINITY;
    for (uint32_t i = 0; i < s->n_custom; prev = s->custom[i++])
        if (!(s->custom[i] > prev))
            return fer_fail(err, FER_INVALID,
                            "previous bound is %f and current is %f: histogram custom bounds must "
                            "be in strictly increasing order",
                            prev, s->custom[i]);
    if (prev == INFINITY)
        return fer_fail(err, FER_INVALID,
                        "last +Inf bound must not be explicitly defined: histogram custom bounds "
                        "must be finite");
    FER_TRY(check_spans(pos, true, err));
    uint64_t covered = pos->n_buckets;
    for (uint32_t i = 0; i < pos->n_spans; i++)
        covered += (uint64_t)pos->spans[i].offset;
    if ((uint64_t)s->n_custom + 1 < covered)
        return fer_fail(err, FER_INVALID,
                        "only %" PRIu32
                        " custom bounds defined which is insufficient to cover total span length "
                        "of %" PRIu64 ": histogram custom bounds are too few",
                        s->n_custom, covered);
    return FER_OK;
}

static fer_code at(const char *where, fer_code code, fer_err *err)
{
    if (code != FER_OK)
        fer_err_prefix(err, "%s", where);
    return code;
}

static fer_code check_custom(const hist_sample *s, fer_err *err)
{
    FER_TRY(at("custom buckets", check_bounds(s, err), err));
    if (s->is_float ? s->zero_count.f != 0 : s->zero_count.u != 0)
        return fer_fail(err, FER_INVALID, "custom buckets: must have zero count of 0");
    if (s->zero_threshold != 0)
        return fer_fail(err, FER_INVALID, "custom buckets: must have zero threshold of 0");
    if (s->side[HIST_NEG].n_spans != 0)
        return fer_fail(err, FER_INVALID, "custom buckets: must not have negative spans");
    if (s->side[HIST_NEG].n_buckets != 0)
        return fer_fail(err, FER_INVALID, "custom buckets: must not have negative buckets");
    return FER_OK;
}

static fer_code check_exponential(const hist_sample *s, uint64_t *sum, fer_err *err)
{
    const hist_side *neg = &s->side[HIST_NEG];
    FER_TRY(at("positive side", check_spans(&s->side[HIST_POS], false, err), err));
    FER_TRY(at("negative side", check_spans(neg, false, err), err));
    FER_TRY(at("negative side", check_buckets(neg, s->is_float, sum, err), err));
    if (s->n_custom != 0)
        return fer_fail(err, FER_INVALID,
                        "histogram with exponential schema must not have custom bounds");
    return FER_OK;
}

/* Of floats no sum is asked for: it may differ by rounding. */
static fer_code check_count(const hist_sample *s, uint64_t sum, fer_err *err)
{
    if (s->is_float || sum == s->count.u || (isnan(s->sum) && sum < s->count.u))
        return FER_OK;
    return fer_fail(err, FER_INVALID,
                    "%" PRIu64 " observations found in buckets, but the Count field is %" PRIu64
                    ": histogram's observation count should %s found in the buckets%s",
                    sum, s->count.u,
                    isnan(s->sum) ? "be at least the number of observations"
                                  : "equal the number of observations",
                    isnan(s->sum) ? "" : " (in absence of NaN)");
}

static fer_code check_size(const hist_sample *s, fer_err *err)
{
    uint64_t items = s->n_custom;
    for (int k = 0; k < HIST_SIDES; k++)
        items += (uint64_t)s->side[k].n_spans + s->side[k].n_buckets;
    if (items > HIST_ITEMS_MAX)
        return fer_fail(err, FER_INVALID,
                        "histogram of %" PRIu64 " buckets, spans and bounds, more than %d", items,
                        HIST_ITEMS_MAX);
    return FER_OK;
}

fer_code hist_check(const hist_sample *s, fer_err *err)
{
    uint64_t sum = s->is_float ? 0 : s->zero_count.u;
    if (!hist_schema_is_known(s->schema))
        return fer_fail(err, FER_INVALID,
                        "histogram has an unknown schema, which must be between %d and %d for "
                        "exponential buckets, or %d for custom buckets, got schema %" PRId32,
                        HIST_SCHEMA_RESERVED_MIN, HIST_SCHEMA_RESERVED_MAX, HIST_SCHEMA_CUSTOM,
                        s->schema);
    FER_TRY(check_size(s, err));
    if (s->schema == HIST_SCHEMA_CUSTOM)
        FER_TRY(check_custom(s, err));
    else
        FER_TRY(check_exponential(s, &sum, err));
    FER_TRY(at("positive side", check_buckets(&s->side[HIST_POS], s->is_float, &sum, err), err));
    return check_count(s, sum, err);
}

/* ---- identity ---- */

__extension__ typedef unsigned __int128 wide;

/* What a bucket adds to the hash of its side: nothing, when it is empty. Sums wait for no other bucket's. */
static inline uint64_t hash_bucket(uint64_t count, uint64_t place)
{
    wide x = (wide)count * ((place ^ place >> 32) | 1);
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

static inline uint64_t hash_side(const hist_side *side, bool is_float)
{
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = 0, count = 0, place = 0; /* the bucket's index times the step */
    const hist_num *b = side->buckets;
    for (uint32_t i = 0; i < side->n_spans; i++) {
        place += (uint64_t)(int64_t)side->spans[i].offset * step;
        for (const hist_num *end = b + side->spans[i].length; b != end; b++, place += step) {
            /* a float's two zeros are the same */
            count = is_float ? b->f == 0 ? 0 : b->u : count + b->u;
            hash += hash_bucket(count, place);
        }
    }
    return hash;
}

static inline uint64_t hash_sides(uint64_t hash, const hist_sample *s, bool is_float)
{
    hash = fer_hash_mix(hash, hash_side(&s->side[HIST_POS], is_float));
    return fer_hash_mix(hash, hash_side(&s->side[HIST_NEG], is_float));
}

double hist_mark(const hist_sample *s)
{
    uint64_t hash = f64_bits(s->sum);
    if (!hist_is_stale(s)) {
        hash = fer_hash_mix(hash, (uint64_t)(int64_t)s->schema);
        hash = fer_hash_mix(hash, f64_bits(s->zero_threshold));
        hash = fer_hash_mix(hash, s->zero_count.u);
        hash = fer_hash_mix(hash, s->count.u);
        for (uint32_t i = 0; i < s->n_custom; i++)
            hash = fer_hash_mix(hash, f64_bits(s->custom[i]));
        hash = s->is_float ? hash_sides(hash, s, true) : hash_sides(hash, s, false);
    }
    uint64_t mark = s->is_float ? HIST_MARK_FLOAT : HIST_MARK_INTEGER;
    return f64_of_bits(mark << 48 | hash >> 16);
}
