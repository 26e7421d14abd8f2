/* search_score.c - three ways to compare texts. */
#include "server/api/search_score.h"

#include <string.h>

static bool stands_at(const search_text *pattern, const search_text *text, size_t at)
{
    return at + pattern->n <= text->n &&
           memcmp(text->r + at, pattern->r, pattern->n * sizeof *pattern->r) == 0;
}

bool search_substring(const search_text *pattern, const search_text *text, double *ret)
{
    if (pattern->n > text->n)
        return false;
    size_t last = text->n - pattern->n;
    for (size_t at = 0; at <= last; at++) {
        if (!stands_at(pattern, text, at))
            continue;
        *ret = at == 0 ? 1 : 1 - 0.9 * (double)at / (double)last;
        return true;
    }
    return false;
}

/* The raw score of taking each code point of the pattern as early as can be, from `at` on, where the first stands.
 * False when they are not all there. */
static bool score_from(const search_text *pattern, const search_text *text, size_t at, double *ret)
{
    double score = 0, weight = 1 / (double)text->n;
    size_t taken = 0, behind = 0; /* behind the last run */
    while (taken < pattern->n) {
        while (at < text->n && text->r[at] != pattern->r[taken])
            at++;
        if (at == text->n)
            return false;
        score -= (double)(at - behind) * weight;
        size_t run = 0;
        while (taken < pattern->n && at < text->n && text->r[at] == pattern->r[taken]) {
            taken++;
            at++;
            run++;
        }
        score += (double)(run * run);
        behind = at;
    }
    *ret = score - (double)(text->n - behind) * weight * 0.5;
    return true;
}

bool search_subsequence(const search_text *pattern, const search_text *text, double *ret)
{
    static const double below_exact = 0.999;
    double best = -1, score;
    *ret = 1;
    if (stands_at(pattern, text, 0))
        return true;
    for (size_t at = 0; at + pattern->n <= text->n; at++) {
        if (text->r[at] != pattern->r[0])
            continue;
        if (!score_from(pattern, text, at, &score))
            break; /* there is even less behind it */
        if (score > best)
            best = score;
    }
    *ret = best < 0 ? 0 : best / (double)(pattern->n * pattern->n) * below_exact;
    return *ret > 0;
}

/* Code points of a that have a partner in b, not far from their place; those of b are marked. */
static size_t pair_up(const search_text *a, const search_text *b, bool *in_a, bool *in_b)
{
    size_t longer = a->n > b->n ? a->n : b->n, reach = longer / 2 == 0 ? 0 : longer / 2 - 1;
    size_t pairs = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t from = i > reach ? i - reach : 0, to = i + reach + 1 < b->n ? i + reach + 1 : b->n;
        for (size_t k = from; k < to; k++) {
            if (in_b[k] || a->r[i] != b->r[k])
                continue;
            in_a[i] = in_b[k] = true;
            pairs++;
            break;
        }
    }
    return pairs;
}

static size_t out_of_order(const search_text *a, const search_text *b, const bool *in_a,
                           const bool *in_b)
{
    size_t wrong = 0;
    for (size_t i = 0, k = 0; i < a->n; i++) {
        if (!in_a[i])
            continue;
        while (!in_b[k])
            k++;
        wrong += a->r[i] != b->r[k++];
    }
    return wrong / 2;
}

double search_jaro_winkler(const search_text *a, const search_text *b)
{
    bool in_a[SEARCH_RUNES_MAX] = {false}, in_b[SEARCH_RUNES_MAX] = {false};
    if (a->n == 0 || b->n == 0)
        return a->n == b->n;
    size_t pairs = pair_up(a, b, in_a, in_b);
    if (pairs == 0)
        return 0;
    double m = (double)pairs, t = (double)out_of_order(a, b, in_a, in_b);
    double jaro = (m / (double)a->n + m / (double)b->n + (m - t) / m) / 3;
    size_t same = 0;
    while (same < 4 && same < a->n && same < b->n && a->r[same] == b->r[same])
        same++;
    return jaro + (double)same * 0.1 * (1 - jaro);
}
