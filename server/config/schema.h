/* schema.h - which keys prometheus.yml knows, what their values must be, and what counts where they are silent
 * (FEATURES.md section 5).
 *
 * A schema is a table of fields, in the order in which Prometheus prints them; checking and printing walk the YAML
 * tree beside it.
 */
#ifndef FERULA_SERVER_CONFIG_SCHEMA_H
#define FERULA_SERVER_CONFIG_SCHEMA_H

#include "server/config/yaml_tree.h"

typedef enum schema_kind {
    SCHEMA_STRING,
    SCHEMA_WORD,   /* text that is read in any case of letters */
    SCHEMA_REGEX,  /* text; an empty one is null, and silence has no text */
    SCHEMA_PATH,   /* of a file; a relative one begins where the configuration lies */
    SCHEMA_SECRET, /* text never shown again */
    SCHEMA_BOOL,
    SCHEMA_INT,
    SCHEMA_FLOAT,
    SCHEMA_DURATION,
    SCHEMA_SIZE,        /* 10MB, 0 */
    SCHEMA_STRINGS,     /* list of text */
    SCHEMA_PATHS,       /* list of PATH */
    SCHEMA_STRING_MAP,  /* text to text */
    SCHEMA_STRINGS_MAP, /* text to list of text */
    SCHEMA_SECTION,     /* mapping by `fields` */
    SCHEMA_SECTIONS,    /* list of such mappings */
    SCHEMA_SECTION_MAP, /* text to such mappings */
    SCHEMA_URL,         /* text whose password is not shown */
    SCHEMA_SECRETS,     /* as STRINGS, never shown again */
    SCHEMA_SECRETS_MAP, /* as STRINGS_MAP, never shown again */
    SCHEMA_INLINE,      /* no field: those of `fields` stand here */
    SCHEMA_ANY,         /* not looked into, nor shown */
} schema_kind;

/* When and how a field is shown. Without a flag: unless its value is zero, empty or false. */
enum {
    SCHEMA_ALWAYS = 1,   /* whatever its value */
    SCHEMA_GIVEN = 2,    /* SECTION: where it is given, though empty, and only there */
    SCHEMA_INHERITS = 4, /* where silent or zero, as the field of the same name in global */
    SCHEMA_FLOW = 8,     /* STRINGS: [a, b] */
    SCHEMA_NONZERO = 16, /* zero is silence */
};

typedef struct schema_field {
    const char *key;
    schema_kind kind;
    const struct schema_field *fields; /* SECTION(S); ended by key NULL */
    const char *choices;               /* STRING: the values allowed, separated by | ; NULL any */
    const char *silent;                /* what counts in silence, as YAML; STRINGS: separated by |.
                                          NULL: zero, empty or false */
    unsigned flags;
} schema_field;

/* The whole file. */
extern const schema_field schema_config[];
/* A file of scrape_config_files. */
extern const schema_field schema_scrape_file[];

/* FER_INVALID with "line: what" for the first offence. */
FER_MUST_CHECK fer_code schema_check(const yaml_node *n, const schema_field *fields,
                                     const char *where, fer_err *err);
/* The field of a key, or NULL. */
const schema_field *schema_find(const schema_field *fields, fer_str key);

#endif
