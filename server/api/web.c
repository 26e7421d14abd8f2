/* web.c - the start page, health checks and lifecycle. */
#include "server/api/web.h"

#include "base/buf.h"
#include "base/log.h"
#include "server/config/live.h"

/* A text of a page. */
static void put_text(fer_buf *out, fer_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '&')
            fer_buf_puts(out, STR("&amp;"));
        else if (s.p[i] == '<')
            fer_buf_puts(out, STR("&lt;"));
        else
            fer_buf_putc(out, s.p[i]);
    }
}

void web_start_page(http_req *r, void *arg)
{
    app *a = arg;
    fer_buf out;
    fer_buf_init(&out, 8192, NULL);
    fer_buf_puts(&out,
                 STR("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>"));
    put_text(&out, str_of(a->o.page_title));
    fer_buf_printf(
        &out,
        "</title></head><body>"
        "<h1>Ferula %s</h1>"
        "<p>A Prometheus-compatible time-series database. Send samples by remote write to "
        "<code>/api/v1/write</code>; query them with PromQL at <code>/api/v1/query</code>, "
        "for instance with Grafana's Prometheus data source.</p>"
        "<ul><li><a href=\"metrics\">metrics</a></li>"
        "<li><a href=\"api/v1/status/tsdb\">TSDB status</a></li>"
        "<li><a href=\"api/v1/status/runtimeinfo\">runtime information</a></li>"
        "<li><a href=\"api/v1/status/flags\">flags</a></li>"
        "<li><a href=\"api/v1/status/config\">configuration</a></li></ul></body></html>\n",
        a->o.version);
    http_resp_header(r, "Content-Security-Policy",
                     STR("default-src 'none'; frame-ancestors 'none'"));
    http_resp_header(r, "X-Content-Type-Options", STR("nosniff"));
    http_reply_buf(r, 200, "text/html; charset=utf-8", &out);
}

static void reply_line(http_req *r, int status, fer_str text)
{
    bool bare = http_req_method(r) == HTTP_HEAD;
    http_reply(r, status, bare ? NULL : "text/plain; charset=utf-8",
               bare ? (fer_str){NULL, 0} : text);
}

void web_healthy(http_req *r, void *arg)
{
    (void)arg;
    reply_line(r, 200, STR("Ferula is Healthy.\n"));
}

void web_ready(http_req *r, void *arg)
{
    app *a = arg;
    bool stopping = http_server_stopping(a->http);
    if (app_db(a) != NULL && !stopping) {
        reply_line(r, 200, STR("Ferula is Ready.\n"));
        return;
    }
    http_resp_header(r, "X-Prometheus-Stopping", stopping ? STR("true") : STR("false"));
    reply_line(r, 503, STR("Service Unavailable"));
}

void web_lifecycle_get(http_req *r, void *arg)
{
    (void)arg;
    http_reply(r, 405, "text/plain; charset=utf-8", STR("Only POST or PUT requests allowed"));
}

static bool lifecycle_enabled(http_req *r, const app *a)
{
    if (a->o.enable_lifecycle)
        return true;
    http_reply(r, 403, "text/plain; charset=utf-8", STR("Lifecycle API is not enabled."));
    return false;
}

void web_quit(http_req *r, void *arg)
{
    app *a = arg;
    if (!lifecycle_enabled(r, a))
        return;
    LOGI(a->log, "Asked to stop by /-/quit, exiting gracefully...");
    http_reply(r, 200, "text/plain; charset=utf-8", STR("Requesting termination... Goodbye!"));
    app_stop(a);
}

void web_reload(http_req *r, void *arg)
{
    app *a = arg;
    fer_err err;
    if (!lifecycle_enabled(r, a))
        return;
    if (live_config_reload(a->config, &err) == FER_OK)
        http_reply(r, 200, NULL, (fer_str){NULL, 0});
    else
        http_reply_text(r, 500, "failed to reload config: %s", err.msg);
}
