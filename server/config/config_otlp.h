/* config_otlp.h - the section `otlp` of prometheus.yml.
 */
#ifndef FERULA_SERVER_CONFIG_CONFIG_OTLP_H
#define FERULA_SERVER_CONFIG_CONFIG_OTLP_H

#include "server/config/yaml_tree.h"
#include "server/otlp/options.h"

/* n NULL: the defaults. Texts are in the arena. FER_INVALID for what contradicts itself. */
FER_MUST_CHECK fer_code config_otlp_load(const yaml_node *n, fer_arena *a, otlp_options *ret,
                                         fer_err *err);

#endif
