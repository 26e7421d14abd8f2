/* metrics_page.h - the text of /metrics read back, for the formats that are made of it. Slices of the page. Pure. */
#ifndef FERULA_SERVER_API_METRICS_PAGE_H
#define FERULA_SERVER_API_METRICS_PAGE_H

#include "base/buf.h"

typedef struct page_family {
    fer_str name, help, type; /* help escaped as it stands there */
    fer_str lines;
} page_family;

/* The families of a page in our own text format, each with HELP and TYPE in front, by name. The caller frees by fer_free(). */
page_family *page_split(fer_str page, size_t *ret_n);

typedef struct page_line {
    fer_str name, labels, value; /* labels: what stands between the braces */
} page_line;
/* Takes the next line off *lines; false at the end. */
bool page_next_line(fer_str *lines, page_line *ret);
double page_number(fer_str value); /* NaN for what is none */

/* Takes the next name="value" off *labels, the value as it stands there; false at the end. */
bool page_next_label(fer_str *labels, fer_str *name, fer_str *value);
/* Appends a label's value without its escapes. */
void page_unescape(fer_buf *out, fer_str value);
/* Whether a label tells the bucket or quantile, not the series. */
bool page_is_place(fer_str label);

#endif
