/* schema_print.h - a configuration as Prometheus prints it: in the schema's order, with what counts where it is silent,
 * values in their shortest form, without secrets.
 */
#ifndef FERULA_SERVER_CONFIG_SCHEMA_PRINT_H
#define FERULA_SERVER_CONFIG_SCHEMA_PRINT_H

#include "base/buf.h"
#include "server/config/yaml_tree.h"

/* Prints root, checked by schema_config, at the end of `to`. `path`: of its file, where relative paths begin; empty:
 * none. Uses the arena meanwhile. FER_INVALID: a text is no UTF-8; FER_LIMIT: `to` is full. */
FER_MUST_CHECK fer_code schema_print(const yaml_node *root, fer_str path, fer_arena *a,
                                     fer_buf *to);

#endif
