/* durable.c - the later of two sides sends. */
#include "server/remote/durable.h"

void durable_reply_init(durable_reply *d, http_req *r, void (*send)(durable_reply *d))
{
    *d = (durable_reply){.r = r, .send = send};
    atomic_init(&d->sides, 2);
}

void reply_busy(http_req *r, const char *why)
{
    http_resp_header(r, "Retry-After", STR(BUSY_RETRY_AFTER));
    http_reply_text(r, 503, "%s", why);
}

static void side_done(durable_reply *d)
{
    if (atomic_fetch_sub_explicit(&d->sides, 1, memory_order_acq_rel) != 1)
        return;
    if (d->outcome == FER_OK) {
        d->send(d);
        return;
    }
    const char *why =
        d->outcome == FER_NOSPACE
            ? "no space left on device: the request is not durable yet"
            : "the write-ahead log could not be written: the request is not durable yet";
    if (d->refuse != NULL)
        d->refuse(d, why);
    else
        reply_busy(d->r, why);
}

void durable_reply_committed(void *arg, fer_code outcome)
{
    durable_reply *d = arg;
    d->outcome = outcome;
    side_done(d);
}

void durable_reply_prepared(durable_reply *d)
{
    side_done(d);
}
