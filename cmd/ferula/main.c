/* main.c - the ferula server program: flags to options, options to an app, the app until a signal. */
#include <stdio.h>
#include <unistd.h>

#include "base/map_guard.h"
#include "cmd/ferula/flags.h"
#include "server/machine.h"

#define VERSION "0.1.0"

/* jemalloc's: what is freed goes back to the system within seconds, by a thread of jemalloc's own, threads share arenas and
 * keep little for themselves, so that little lies about in each. Large pieces stay as long as small ones: the next request of
 * their kind often wants as much, and new pages are dear. Without jemalloc this has no effect. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:4,"
                          "oversize_threshold:0,tcache_max:4096,tcache_nslots_small_max:32";

/* Prometheus' exit codes: 2 for flags and configuration, 3 for flags of the agent, 1 for other fatal errors. */
enum { EXIT_FATAL = 1, EXIT_USAGE = 2, EXIT_AGENT = 3 };

static int print_help(void)
{
    fer_buf text;
    fer_buf_init(&text, 1 << 20, NULL);
    flags_help(&text);
    bool whole = fwrite(text.p, 1, text.n, stdout) == text.n;
    fer_buf_done(&text);
    return whole ? 0 : EXIT_FATAL;
}

static int serve(flags *f, app_options *o)
{
    fer_err err;
    app *a;
    fer_str idle = flags_without_effect(f), features = flags_features_without_effect(f);
    if (idle.n != 0)
        LOGW(o->log, "These flags have no effect yet", "flags", idle.p);
    if (features.n != 0)
        LOGW(o->log, "These names given to --enable-feature have no effect", "features",
             features.p);
    if (app_new(o, &a, &err) != FER_OK) {
        LOGE(o->log, "Cannot start", "err", err.msg);
        return err.code == FER_INVALID ? EXIT_USAGE : EXIT_FATAL;
    }
    fer_code c = app_run(a, &err);
    if (c != FER_OK)
        LOGE(o->log, "Stopped", "err", err.msg);
    app_free(a);
    return c == FER_OK ? 0 : EXIT_FATAL;
}

int main(int argc, char **argv)
{
    flags *f;
    flags_action action;
    fer_err err;
    app_options o;
    fer_log_level level;
    fer_log_format format;
    map_guard_install();
    machine_raise_max_fds();
    fer_code parsed = flags_parse(argc, argv, &f, &action, &err);
    if (parsed == FER_UNSUPPORTED) {
        fprintf(stderr, "%s\n", err.msg);
        return EXIT_AGENT;
    }
    if (parsed != FER_OK) {
        fprintf(stderr, "Error parsing command line arguments: %s\nTry 'ferula --help'.\n",
                err.msg);
        return EXIT_USAGE;
    }
    int code = 0;
    if (action == FLAGS_HELP) {
        code = print_help();
    } else if (action == FLAGS_VERSION) {
        printf("ferula, version %s\n", VERSION);
    } else if (flags_options(f, &o, &level, &format, &err) != FER_OK) {
        fprintf(stderr, "Error parsing command line arguments: %s\nTry 'ferula --help'.\n",
                err.msg);
        code = EXIT_USAGE;
    } else {
        o.version = VERSION;
        o.log = fer_log_new(STDERR_FILENO, level, format, fer_clock_system());
        code = serve(f, &o);
        fer_log_free(o.log);
    }
    flags_free(f);
    return code;
}
