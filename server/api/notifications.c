/* notifications.c - the state as a set of bits, told whole or by its changes. */
#include "server/api/notifications.h"

#include "base/text.h"
#include "server/api/reply.h"
#include "server/config/live.h"

enum { STARTING, RELOAD_FAILED, STOPPING, KINDS };

static const char *const texts[KINDS] = {
    [STARTING] = "Ferula is starting and replaying the write-ahead log (WAL).",
    [RELOAD_FAILED] = "Configuration reload has failed.",
    [STOPPING] = "Ferula is shutting down and gracefully stopping all operations.",
};

typedef struct standing {
    unsigned kinds; /* bits */
    int64_t since_ms[KINDS];
} standing;

static standing now_standing(app *a)
{
    live_config_state loaded = live_config_state_get(a->config);
    bool stopping = http_server_stopping(a->http);
    unsigned starting = app_db(a) == NULL && !stopping;
    return (standing){
        .kinds = starting << STARTING | (unsigned)!loaded.ok << RELOAD_FAILED |
                 (unsigned)stopping << STOPPING,
        .since_ms = {a->start_ms, loaded.tried_ms, a->clock->wall_ms(a->clock)},
    };
}

static void put_one(fer_buf *out, int kind, int64_t ms, bool active)
{
    char date[API_TIME_TEXT_MAX];
    fer_buf_puts(out, STR("{\"text\":"));
    text_json(out, str_of(texts[kind]));
    fer_buf_puts(out, STR(",\"date\":"));
    text_json(out, api_time_text(ms, date));
    fer_buf_printf(out, ",\"active\":%s}", active ? "true" : "false");
}

void api_notifications(http_req *r, void *arg)
{
    standing s = now_standing(arg);
    fer_buf out;
    api_begin(&out);
    fer_buf_putc(&out, '[');
    const char *sep = "";
    for (int k = 0; k < KINDS; k++) {
        if ((s.kinds >> k & 1) == 0)
            continue;
        fer_buf_puts(&out, str_of(sep));
        put_one(&out, k, s.since_ms[k], true);
        sep = ",";
    }
    fer_buf_putc(&out, ']');
    api_end(r, &out, NULL);
}

typedef struct subscriber {
    app *a;
    standing told;
} subscriber;

static void subscriber_free(void *arg)
{
    subscriber *u = arg;
    atomic_fetch_sub(&u->a->notification_subscribers, 1);
    fer_free(u);
}

/* http_producer.next: an event for each change since the last call. */
static fer_code next_events(void *arg, fer_buf *out, bool *done)
{
    subscriber *u = arg;
    standing now = now_standing(u->a);
    for (int k = 0; k < KINDS; k++) {
        bool active = (now.kinds >> k & 1) != 0, was = (u->told.kinds >> k & 1) != 0;
        bool again = active && k == RELOAD_FAILED && now.since_ms[k] != u->told.since_ms[k];
        if (active == was && !again)
            continue;
        fer_buf_puts(out, STR("data: "));
        put_one(out, k, active ? now.since_ms[k] : u->told.since_ms[k], active);
        fer_buf_puts(out, STR("\n\n"));
    }
    u->told = now;
    *done = (now.kinds >> STOPPING & 1) != 0;
    return FER_OK;
}

void api_notifications_live(http_req *r, void *arg)
{
    app *a = arg;
    http_resp_header(r, "Cache-Control", STR("no-cache"));
    if (atomic_fetch_add(&a->notification_subscribers, 1) >= a->o.max_notification_subscribers) {
        atomic_fetch_sub(&a->notification_subscribers, 1);
        http_reply(r, 204, "text/event-stream", (fer_str){NULL, 0});
        return;
    }
    subscriber *u = fer_calloc(1, sizeof *u);
    u->a = a;
    http_producer p = {next_events, subscriber_free, u};
    http_reply_stream(r, 200, "text/event-stream", &p);
}
