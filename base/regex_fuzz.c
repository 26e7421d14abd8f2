/* A pattern, a NUL, then texts between NULs: what is matched without RE2 must be what RE2 matches,
 * every match begins with the prefix, and every literal of a set matches. */
#include <assert.h>
#include <stdint.h>

#include "base/regex.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATTERN_MAX = 512 };

static fer_str take(fer_str *rest)
{
    const char *end = rest->n == 0 ? NULL : memchr(rest->p, '\0', rest->n);
    size_t n = end == NULL ? rest->n : (size_t)(end - rest->p);
    fer_str part = {rest->p, n};
    *rest = str_from(*rest, n + 1);
    return part;
}

static void check_text(const fer_regex *re, fer_str text)
{
    /* RE2 matches only valid runes with a dot, the shortcuts any byte; labels are valid UTF-8. */
    if (!utf8_valid(text))
        return;
    fer_str groups[4];
    bool truth = fer_regex_groups(re, text, groups, 4);
    assert(fer_regex_match(re, text) == truth);
    if (truth)
        assert(str_has_prefix(text, fer_regex_prefix(re)) && groups[0].n == text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_str rest = {(const char *)data, size};
    fer_str pattern = take(&rest);
    fer_regex *re;
    fer_err err;
    if (pattern.n > PATTERN_MAX)
        return 0;
    if (fer_regex_new(pattern, &re, &err) != FER_OK) {
        assert(err.code == FER_INVALID && strncmp(err.msg, "error parsing regexp: ", 22) == 0);
        return 0;
    }
    const fer_str *set;
    size_t n = fer_regex_literals(re, &set);
    for (size_t i = 0; i < n; i++) {
        assert(fer_regex_groups(re, set[i], NULL, 0) && fer_regex_match(re, set[i]));
        assert(i == 0 || str_cmp(set[i - 1], set[i]) < 0);
    }
    check_text(re, STR(""));
    while (rest.n > 0)
        check_text(re, take(&rest));
    fer_regex_free(re);
    return 0;
}
