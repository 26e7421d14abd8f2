/* search_score.h - how well a text fits what was typed: 0 to 1, 1 for the best.
 *
 * Texts are arrays of code points. Sources: the documentation of Prometheus' search API; W. E. Winkler, "String Comparator
 * Metrics and Enhanced Decision Rules" (1990). Pure; any thread. */
#ifndef FERULA_SERVER_API_SEARCH_SCORE_H
#define FERULA_SERVER_API_SEARCH_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEARCH_RUNES_MAX = 1024 }; /* of a text; what is behind is not looked at */

typedef struct search_text {
    uint32_t r[SEARCH_RUNES_MAX];
    size_t n;
} search_text;

/* Whether the pattern stands in the text; 1 at its beginning, 0.1 at its end. */
bool search_substring(const search_text *pattern, const search_text *text, double *ret);
/* Whether the pattern's code points stand in the text in their order. Runs are good (their squares), what lies before and
 * between is bad, half as bad what lies behind; a beginning or the whole is 1. */
bool search_subsequence(const search_text *pattern, const search_text *text, double *ret);
/* Similarity by Jaro, raised by up to four equal code points at the beginning. */
double search_jaro_winkler(const search_text *a, const search_text *b);

#endif
