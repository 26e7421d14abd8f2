/* status.c - what the server tells of itself as JSON. */
#include "server/api/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "server/api/reply.h"
#include "server/config/live.h"

static void put_field(fer_buf *out, const char *key, fer_str value)
{
    if (out->p[out->n - 1] != '{')
        fer_buf_putc(out, ',');
    fer_buf_printf(out, "\"%s\":", key);
    text_json(out, value);
}

static void put_build(fer_buf *out, const app *a)
{
    char own[64];
    snprintf(own, sizeof own, "ferula-%s", a->o.version);
    fer_buf_putc(out, '{');
    put_field(out, "version", STR(API_PROMETHEUS_VERSION));
    put_field(out, "revision", str_of(own));
    put_field(out, "branch", STR("ferula"));
    put_field(out, "buildUser", STR("ferula"));
    put_field(out, "buildDate", STR("20261121-00:00:00"));
    put_field(out, "goVersion", STR(""));
    fer_buf_putc(out, '}');
}

void api_status_buildinfo(http_req *r, void *arg)
{
    fer_buf out;
    api_begin(&out);
    put_build(&out, arg);
    api_end(r, &out, NULL);
}

void api_version(http_req *r, void *arg)
{
    fer_buf out;
    fer_buf_init(&out, 4096, NULL);
    put_build(&out, arg);
    http_reply_buf(r, 200, "text/plain; charset=utf-8", &out);
}

/* "15d or 512MiB": what limits. */
static void put_retention(fer_buf *out, const app_options *o)
{
    if (o->retention_ms != 0)
        text_format_duration(out, o->retention_ms);
    if (o->retention_bytes != 0) {
        fer_buf_puts(out, out->n != 0 ? STR(" or ") : STR(""));
        text_format_bytes(out, (int64_t)o->retention_bytes);
    }
    if (o->retention_percent > 0)
        fer_buf_printf(out, "%s%g%%", out->n != 0 ? " or " : "", o->retention_percent);
}

void api_status_runtimeinfo(http_req *r, void *arg)
{
    app *a = arg;
    char text[API_TIME_TEXT_MAX], cwd[4096], host[256] = "";
    fer_buf out, retention;
    if (getcwd(cwd, sizeof cwd) == NULL)
        cwd[0] = '\0';
    gethostname(host, sizeof host - 1);
    fer_buf_init(&retention, 64, NULL);
    put_retention(&retention, &a->o);
    tsdb_stats st;
    tsdb_stats_get(app_db(a), &st);
    api_begin(&out);
    fer_buf_putc(&out, '{');
    put_field(&out, "startTime", api_time_text(a->start_ms, text));
    put_field(&out, "CWD", str_of(cwd));
    put_field(&out, "hostname", str_of(host));
    put_field(&out, "serverTime", api_time_text(a->clock->wall_ms(a->clock), text));
    live_config_state loaded = live_config_state_get(a->config);
    fer_buf_printf(&out, ",\"reloadConfigSuccess\":%s", loaded.ok ? "true" : "false");
    put_field(&out, "lastConfigTime", api_time_text(loaded.loaded_ms, text));
    fer_buf_printf(&out,
                   ",\"corruptionCount\":%" PRIu64
                   ",\"goroutineCount\":0,\"GOMAXPROCS\":%ld,\"GOMEMLIMIT\":%" PRId64,
                   st.wal_corruptions, sysconf(_SC_NPROCESSORS_ONLN), a->memory.limit_bytes);
    put_field(&out, "GOGC", STR(""));
    put_field(&out, "GODEBUG", STR(""));
    put_field(&out, "storageRetention", fer_buf_str(&retention));
    fer_buf_putc(&out, '}');
    api_end(r, &out, NULL);
    fer_buf_done(&retention);
}

static int cmp_flag(const void *a, const void *b)
{
    return strcmp(((const app_flag *)a)->name, ((const app_flag *)b)->name);
}

void api_status_flags(http_req *r, void *arg)
{
    app *a = arg;
    size_t bytes = a->o.n_flags * sizeof(app_flag);
    app_flag *sorted = fer_alloc(bytes);
    memcpy(sorted, a->o.flags, bytes);
    qsort(sorted, a->o.n_flags, sizeof *sorted, cmp_flag);
    fer_buf out;
    api_begin(&out);
    fer_buf_putc(&out, '{');
    for (size_t i = 0; i < a->o.n_flags; i++)
        put_field(&out, sorted[i].name, str_of(sorted[i].value));
    fer_buf_putc(&out, '}');
    api_end(r, &out, NULL);
    fer_free(sorted);
}

void api_status_config(http_req *r, void *arg)
{
    app *a = arg;
    fer_str yaml;
    fer_err err;
    const config *c = live_config_take(a->config);
    if (config_yaml(c, &yaml, &err) != FER_OK) {
        api_error(r, API_INTERNAL, "%s", err.msg);
    } else {
        fer_buf out;
        api_begin(&out);
        fer_buf_putc(&out, '{');
        put_field(&out, "yaml", yaml);
        fer_buf_putc(&out, '}');
        api_end(r, &out, NULL);
    }
    config_free(c);
}

void api_status_walreplay(http_req *r, void *arg)
{
    app *a = arg;
    fer_buf out;
    api_begin(&out);
    fer_buf_printf(&out, "{\"min\":%" PRIu64 ",\"max\":%" PRIu64 ",\"current\":%" PRIu64 "}",
                   atomic_load(&a->replay.min), atomic_load(&a->replay.max),
                   atomic_load(&a->replay.current));
    api_end(r, &out, NULL);
}
