/* form.h - names and values of URL queries and form bodies, as Go's net/url reads them.
 *
 * Pairs that cannot be read are skipped and the rest kept; the first failure is told in Go's words
 * (`invalid URL escape "%zz"`, `invalid semicolon separator in query`).
 * Source: the documentation and behaviour of net/url ParseQuery and net/http ParseForm.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_HTTP_FORM_H
#define FERULA_SERVER_HTTP_FORM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { HTTP_FORM_PAIRS_MAX = 10000 };

typedef struct http_form {
    struct http_pair {
        fer_str name, value;
    } * pairs;
    size_t n, cap;
} http_form;

/* Appends the pairs of text to f; slices live in text or in the arena. FER_INVALID names the first
 * malformed pair; FER_LIMIT when there are too many pairs or the arena is full. */
FER_MUST_CHECK fer_code http_form_parse(http_form *f, fer_str text, fer_arena *a, fer_err *err);

/* Decodes %XX, and '+' to a space when `plus`. Returns text itself when nothing is to be decoded.
 * FER_INVALID names the bad escape. */
FER_MUST_CHECK fer_code http_unescape(fer_str text, bool plus, fer_arena *a, fer_str *ret,
                                      fer_err *err);

#endif
