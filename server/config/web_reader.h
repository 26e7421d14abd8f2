/* web_reader.h - a YAML tree into C values as Go's yaml.v2 does it for Go's: what does not fit is noted with its line and
 * read on, so that one error names all faults.
 *
 * Threads: one.
 */
#ifndef FERULA_SERVER_CONFIG_WEB_READER_H
#define FERULA_SERVER_CONFIG_WEB_READER_H

#include "base/buf.h"
#include "server/config/web_config.h"
#include "server/config/yaml_tree.h"

typedef struct web_reader {
    fer_arena *a;
    fer_buf faults; /* "\n  line N: ..." for each */
    int line;       /* of the first fault; 0: none */
} web_reader;

typedef struct web_field {
    const char *key;
    /* Reads n, which is not null, into `into`. A failure ends the reading, as an error of a Go type's own decoder does. */
    fer_code (*read)(web_reader *r, const yaml_node *n, void *into, fer_err *err);
    size_t offset;
} web_field;

void web_reader_init(web_reader *r, fer_arena *a);
void web_reader_done(web_reader *r);
/* FER_INVALID, with all faults, when there were any. */
FER_MUST_CHECK fer_code web_reader_end(web_reader *r, fer_err *err);

/* n does not fit Go's type of that name. */
void web_reader_mismatch(web_reader *r, const yaml_node *n, const char *type);
/* A mapping by its fields (ended by key NULL); others are faults. */
FER_MUST_CHECK fer_code web_read_section(web_reader *r, const yaml_node *n, const char *type,
                                         const web_field *fields, void *into, fer_err *err);
/* False: a fault was noted. */
bool web_read_text(web_reader *r, const yaml_node *n, fer_str *ret);

/* For tables. */
fer_code web_read_str(web_reader *r, const yaml_node *n, void *into, fer_err *err);    /* fer_str */
fer_code web_read_secret(web_reader *r, const yaml_node *n, void *into, fer_err *err); /* fer_str */
fer_code web_read_bool(web_reader *r, const yaml_node *n, void *into, fer_err *err);   /* bool */
fer_code web_read_int(web_reader *r, const yaml_node *n, void *into, fer_err *err);    /* int64_t */
fer_code web_read_nanos(web_reader *r, const yaml_node *n, void *into, fer_err *err);  /* int64_t */
fer_code web_read_pairs(web_reader *r, const yaml_node *n, void *into,
                        fer_err *err); /* web_pairs */
fer_code web_read_secrets(web_reader *r, const yaml_node *n, void *into,
                          fer_err *err); /* web_pairs */

#endif
