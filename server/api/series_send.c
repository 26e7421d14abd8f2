/* series_send.c - a producer that walks a list and stops at each full piece. */
#include "server/api/series_send.h"

#include <assert.h>

#include "server/api/labels_json.h"
#include "server/api/reply.h"

enum { PIECE_BYTES = 64 * 1024 };

typedef struct sender {
    query_run *run;
    series_list series;
    labels_json before; /* the series before */
    size_t next;
} sender;

static void put_series(sender *s, size_t i, fer_buf *out)
{
    label_set l = s->series.s == NULL ? s->series.v[i] : (label_set){0};
    if (s->series.s != NULL)
        l.l = selection_labels(s->series.s, i, &l.n);
    labels_json_put(&s->before, out, s->run->ctx.syms, l.l, l.n);
}

static fer_code next_piece(void *arg, fer_buf *out, bool *done)
{
    sender *s = arg;
    size_t full = out->n + PIECE_BYTES; /* earlier pieces may still be there */
    if (s->next == 0)
        fer_buf_puts(out, STR("{\"status\":\"success\",\"data\":["));
    for (; s->next < s->series.n && out->n < full; s->next++) {
        if (s->next != 0)
            fer_buf_putc(out, ',');
        put_series(s, s->next, out);
    }
    if (s->next == s->series.n) {
        fer_buf_putc(out, ']');
        api_put_notes(out, "warnings", &s->series.warnings);
        fer_buf_putc(out, '}');
        *done = true;
    }
    return out->full ? FER_LIMIT : FER_OK;
}

static void sender_free(void *arg)
{
    sender *s = arg;
    labels_json_done(&s->before);
    query_run_free(s->run);
    fer_free(s);
}

void series_send(http_req *r, query_run *run, const series_list *series)
{
    assert(series->s == NULL || series->s->in_memory);
    sender *s = fer_alloc(sizeof *s);
    *s = (sender){.run = run, .series = *series};
    http_producer p = {next_piece, sender_free, s};
    http_reply_stream(r, 200, API_JSON, &p);
}
