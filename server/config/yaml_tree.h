/* yaml_tree.h - a YAML document as a tree with line numbers, over libyaml's events.
 *
 * Scalars, sequences, mappings; mapping keys are scalars and unique, one document. An alias becomes a copy of
 * what its anchor names, with the lines of the original. "<<" merges a mapping, or a list of them of which the
 * first counts most, into the one it stands in, at its place: keys that follow it replace what it brought, and it
 * replaces keys before it, as Prometheus' YAML library has it. Depth and size are bounded, copies counted, so
 * that aliases of aliases make no bomb.
 */
#ifndef FERULA_SERVER_CONFIG_YAML_TREE_H
#define FERULA_SERVER_CONFIG_YAML_TREE_H

#include "base/arena.h"
#include "base/err.h"

typedef enum yaml_kind { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP } yaml_kind;

typedef struct yaml_node yaml_node;
typedef struct yaml_pair {
    fer_str key;
    int key_line;
    bool merged;    /* brought by "<<" */
    int again_line; /* where the key stands a second time, one of both being merged; 0: nowhere */
    yaml_node *value;
} yaml_pair;

struct yaml_node {
    yaml_kind kind;
    int line; /* from 1 */
    bool quoted;
    fer_str text;      /* YAML_SCALAR */
    yaml_pair *pairs;  /* YAML_MAP */
    yaml_node **items; /* YAML_LIST */
    size_t n;
};

/* Parses the text; FER_INVALID with "line: what". An empty document is YAML_NULL. In the arena. */
FER_MUST_CHECK fer_code yaml_tree_parse(fer_str text, fer_arena *a, yaml_node **ret, fer_err *err);
/* The value of a key, or NULL. */
yaml_node *yaml_get(const yaml_node *map, const char *key);

#endif
