/* Any bytes as a duration and as text to quote: a duration accepted prints and reads back; quoted
 * text is plain ASCII or printable runes between quotes, JSON is valid UTF-8 without raw controls. */
#include <assert.h>
#include <stdint.h>

#include "base/text.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_duration(fer_str s)
{
    int64_t ms, back;
    fer_err err;
    if (text_parse_duration(s, &ms, &err) != FER_OK) {
        assert(err.code == FER_INVALID && err.msg[0] != '\0');
        return;
    }
    fer_buf out;
    fer_buf_init(&out, 64, NULL);
    text_format_duration(&out, ms);
    fer_code code = text_parse_duration(fer_buf_str(&out), &back, NULL);
    assert(code == FER_OK && back == ms);
    fer_buf_done(&out);
}

/* One string literal: a quote at each end and no bare one between. */
static void check_literal(fer_str s)
{
    assert(s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"' && utf8_valid(s));
    for (size_t i = 1; i < s.n - 1; i++) {
        assert((unsigned char)s.p[i] >= 0x20 && s.p[i] != '"');
        i += s.p[i] == '\\';
        assert(i < s.n - 1);
    }
}

static void check_writer(void (*write)(fer_buf *out, fer_str s), fer_str s)
{
    fer_buf out;
    fer_buf_init(&out, 2 + s.n * 6, NULL);
    write(&out, s);
    assert(!out.full);
    check_literal(fer_buf_str(&out));
    fer_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_str s = {(const char *)data, size};
    check_duration(s);
    check_writer(text_quote, s);
    check_writer(text_json, s);
    check_writer(text_json_plain, s);
    size_t half = size / 2;
    fer_str a = str_head(s, half), b = str_from(s, half);
    assert(text_distance(a, b) == text_distance(b, a));
    assert(a.n > 64 || text_distance(a, a) == 0);
    return 0;
}
