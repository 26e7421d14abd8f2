/* config_check.h - what must hold between the values of prometheus.yml, beyond the form of each (schema.h):
 * names given and given once, timeouts within intervals, rules of relabeling that make sense, one kind of
 * authentication. After Prometheus' own checks, in its words.
 */
#ifndef FERULA_SERVER_CONFIG_CONFIG_CHECK_H
#define FERULA_SERVER_CONFIG_CONFIG_CHECK_H

#include "server/config/yaml_tree.h"

/* The whole file, which the schema has accepted. FER_INVALID with "line: what". */
FER_MUST_CHECK fer_code config_check(const yaml_node *root, fer_err *err);
/* A list of scrape configurations of another file, beside those of `root`. */
FER_MUST_CHECK fer_code config_check_scrapes(const yaml_node *root, const yaml_node *scrapes,
                                             fer_err *err);

#endif
