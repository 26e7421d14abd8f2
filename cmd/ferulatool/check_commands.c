/* check_commands.c - `check web-config`, with promtool's output. */
#include "cmd/ferulatool/check_commands.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/tls/context.h"

enum { EXIT_WRONG = 1 };

/* As promtool refuses arguments that are no files. */
static bool all_exist(const char *const *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        bool there = stat(files[i], &st) == 0;
        if (there && !S_ISDIR(st.st_mode))
            continue;
        const char *slash = strrchr(files[i], '/');
        if (there)
            fprintf(stderr, "ferulatool: error: '%s' is a directory, try --help\n",
                    slash == NULL ? files[i] : slash + 1);
        else
            fprintf(stderr, "ferulatool: error: path '%s' does not exist, try --help\n", files[i]);
        return false;
    }
    return true;
}

static int check_web_config(const cli_call *c)
{
    size_t n;
    const char *const *files = cli_args_from(c, 0, &n);
    int code = 0;
    if (!all_exist(files, n))
        return EXIT_WRONG;
    for (size_t i = 0; i < n; i++) {
        fer_err err;
        if (tls_check_file(files[i], NULL, &err) == FER_OK) {
            fprintf(stderr, "%s SUCCESS\n", files[i]);
        } else {
            fprintf(stderr, "%s FAILED: %s\n", files[i], err.msg);
            code = EXIT_WRONG;
        }
    }
    return code;
}

static const cli_arg file_args[] = {{.name = "web-config-files",
                                     .needed = true,
                                     .help = "The config files to check.",
                                     .many = true}};

const cli_command check_commands[] = {
    {"check web-config", "Check if the web config files are valid or not.", .args = file_args,
     .n_args = 1, .run = check_web_config},
    {.path = NULL},
};
