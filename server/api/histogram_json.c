/* histogram_json.c - native histograms in answers. */
#include "server/api/histogram_json.h"

#include <math.h>

#include "base/num.h"

enum { ENDS_UPPER, ENDS_LOWER, ENDS_NONE, ENDS_BOTH };

/* ,"1.5" */
static void put_number(fer_buf *out, double v)
{
    if (fer_buf_room(out, NUM_TEXT_MAX + 3) == NULL)
        return;
    fer_buf_put(out, ",\"", 2);
    out->n += num_format_json(out->p + out->n, v);
    fer_buf_putc(out, '"');
}

static int ends_of(const histogram *h, hist_bucket b)
{
    bool custom = histogram_is_custom(h);
    bool zero = !custom && b.lower <= 0 && b.upper >= 0;
    bool lower = zero || (custom ? b.lower == -INFINITY : b.lower < 0);
    bool upper = zero || custom || b.upper > 0;
    if (lower)
        return upper ? ENDS_BOTH : ENDS_LOWER;
    return upper ? ENDS_UPPER : ENDS_NONE;
}

static void put_bucket(fer_buf *out, const histogram *h, hist_bucket b, bool first)
{
    fer_buf_puts(out, first ? STR(",\"buckets\":[[") : STR(",["));
    fer_buf_putc(out, (char)('0' + ends_of(h, b)));
    put_number(out, b.lower);
    put_number(out, b.upper);
    put_number(out, b.count);
    fer_buf_putc(out, ']');
}

fer_code histogram_json(fer_buf *out, const histogram *h, fer_arena *a, hist_buckets *room)
{
    char text[NUM_TEXT_MAX];
    bool any = false;
    FER_TRY(hist_buckets_of(h, a, room));
    fer_buf_puts(out, STR("{\"count\":\""));
    fer_buf_put(out, text, num_format_json(text, h->count));
    fer_buf_puts(out, STR("\",\"sum\":\""));
    fer_buf_put(out, text, num_format_json(text, h->sum));
    fer_buf_putc(out, '"');
    for (size_t i = 0; i < room->n; i++) {
        if (room->b[i].count == 0)
            continue;
        put_bucket(out, h, room->b[i], !any);
        any = true;
    }
    fer_buf_puts(out, any ? STR("]}") : STR("}"));
    return FER_OK;
}
