/* config_files.h - the files that prometheus.yml names: scrape_config_files and rule_files.
 *
 * Patterns are relative to the directory of the configuration; a star may stand in their last part. The files of
 * scrape_config_files are read and checked with it; rule_files are only watched (rules are not evaluated here).
 */
#ifndef FERULA_SERVER_CONFIG_CONFIG_FILES_H
#define FERULA_SERVER_CONFIG_CONFIG_FILES_H

#include "server/config/yaml_tree.h"

/* The patterns of both lists, with the directory of `path` before those that are relative. In the arena. */
typedef struct config_patterns {
    const char **scrape, **all; /* NULL at the end; all: of both */
} config_patterns;
FER_MUST_CHECK fer_code config_patterns_of(const yaml_node *root, const char *path, fer_arena *a,
                                           config_patterns *ret, fer_err *err);

/* Parses and checks each file of p->scrape beside the configuration `root`; names among them may be given once.
 * FER_INVALID with "file:line: what". */
FER_MUST_CHECK fer_code config_check_files(const yaml_node *root, const config_patterns *p,
                                           fer_arena *a, fer_err *err);

/* A number that changes when a file changes, comes or goes: of `path` and of what the patterns (NULL at the end, may
 * be NULL) find. What cannot be read counts as empty. */
uint64_t config_files_sum(const char *path, const char *const *patterns);

#endif
