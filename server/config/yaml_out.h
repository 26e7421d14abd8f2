/* yaml_out.h - YAML text as Prometheus' YAML library lays it out: over libyaml's emitter, with that library's choice of
 * quotes.
 *
 * Events in the order of the text; a key is a text. Errors are kept until the end. One thread at a time.
 */
#ifndef FERULA_SERVER_CONFIG_YAML_OUT_H
#define FERULA_SERVER_CONFIG_YAML_OUT_H

#include "base/buf.h"

typedef struct yaml_out yaml_out;

/* Begins a document at the end of `to`, which outlives it. NULL: out of memory. End it with yaml_out_end(). */
yaml_out *yaml_out_begin(fer_buf *to);
/* Ends the document, frees o (NULL is FER_NOMEM). FER_INVALID: a text is no UTF-8; FER_LIMIT: `to` is full. */
FER_MUST_CHECK fer_code yaml_out_end(yaml_out *o);

void yaml_out_text(yaml_out *o, fer_str text);  /* quoted where it would read as something else */
void yaml_out_plain(yaml_out *o, fer_str text); /* a number, true, null */
void yaml_out_map(yaml_out *o);
void yaml_out_end_map(yaml_out *o);
void yaml_out_list(yaml_out *o, bool flow); /* flow: in one line */
void yaml_out_end_list(yaml_out *o);

#endif
