/* flags.h - Prometheus' command line: names, syntax, defaults and error texts (FEATURES.md section 1).
 *
 * --name=value, --name value, --name and --no-name for booleans, @file for arguments from a file.
 * Every flag of Prometheus' server is known; those without effect here are accepted and named in the
 * log. An unknown flag is an error that names it and the nearest known one.
 */
#ifndef FERULA_CMD_FLAGS_H
#define FERULA_CMD_FLAGS_H

#include "server/app.h"

typedef struct flags flags;

/* What the command line asks for apart from running. */
typedef enum flags_action { FLAGS_RUN, FLAGS_HELP, FLAGS_VERSION } flags_action;

/* Parses argv[1..]. FER_INVALID with the text to print, FER_UNSUPPORTED for what only Prometheus' agent takes. The caller owns *ret: flags_free(). */
FER_MUST_CHECK fer_code flags_parse(int argc, char **argv, flags **ret, flags_action *action,
                                    fer_err *err);
void flags_free(flags *f);

/* Fills the options from the values; views into f. FER_INVALID for a value that does not parse,
 * naming the flag. log level and format are given apart, since the log is made from them. */
FER_MUST_CHECK fer_code flags_options(flags *f, app_options *ret, fer_log_level *level,
                                      fer_log_format *format, fer_err *err);
/* Names of flags given on the command line that have no effect, separated by commas; "" if none. */
fer_str flags_without_effect(flags *f);
/* Likewise of the names given to --enable-feature, unknown ones among them. */
fer_str flags_features_without_effect(flags *f);
/* The help text. */
void flags_help(fer_buf *out);

#endif
