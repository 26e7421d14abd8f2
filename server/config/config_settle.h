/* config_settle.h - values that follow from other keys than their own, put into the tree for printing. */
#ifndef FERULA_SERVER_CONFIG_CONFIG_SETTLE_H
#define FERULA_SERVER_CONFIG_CONFIG_SETTLE_H

#include "server/config/yaml_tree.h"

/* Changes root, a mapping or null, which the schema and config_check() have looked at. FER_LIMIT: out of memory. */
FER_MUST_CHECK fer_code config_settle(yaml_node *root, fer_arena *a, fer_err *err);

#endif
