/* metadata.c - families in order of their names. */
#include "server/api/metadata.h"

#include "base/num.h"
#include "base/text.h"
#include "server/api/reply.h"
#include "server/remote/write.h"

typedef struct metadata_answer {
    fer_buf out;
    int64_t left; /* families still to tell; -1 all */
    bool any;
    bool per_metric_none; /* limit_per_metric=0 */
} metadata_answer;

static bool put_family(void *arg, const metadata_family *m)
{
    metadata_answer *w = arg;
    if (w->left == 0)
        return false;
    if (w->left > 0)
        w->left--;
    if (w->any)
        fer_buf_putc(&w->out, ',');
    w->any = true;
    text_json(&w->out, m->family);
    fer_buf_printf(&w->out, ":[");
    if (!w->per_metric_none) {
        fer_buf_printf(&w->out, "{\"type\":\"%s\",\"unit\":", metadata_type_name(m->type));
        text_json(&w->out, m->unit);
        fer_buf_puts(&w->out, STR(",\"help\":"));
        text_json(&w->out, m->help);
        fer_buf_putc(&w->out, '}');
    }
    fer_buf_putc(&w->out, ']');
    return true;
}

static bool count_param(http_req *r, const char *name, int64_t *ret)
{
    fer_str s = http_req_param(r, name);
    *ret = -1;
    if (s.n == 0 || num_parse_i64(s, ret))
        return true;
    api_error(r, API_BAD_DATA, "%s must be a number", name);
    return false;
}

void api_metadata(http_req *r, void *arg)
{
    app *a = arg;
    metadata_answer w = {.any = false};
    int64_t per_metric;
    if (!count_param(r, "limit", &w.left) || !count_param(r, "limit_per_metric", &per_metric))
        return;
    w.per_metric_none = per_metric == 0;
    if (w.left <= 0) /* 0 means no limit here, as in Prometheus */
        w.left = -1;
    api_begin(&w.out);
    fer_buf_putc(&w.out, '{');
    metadata_store_each(rw_metadata_store(a->receiver), http_req_param(r, "metric"), put_family,
                        &w);
    fer_buf_putc(&w.out, '}');
    api_end(r, &w.out, NULL);
}
