/* utf8.c - UTF-8 decoding and checks. */
#include "base/utf8.h"

static bool is_cont(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

size_t utf8_decode(fer_str s, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    if (p[0] >= 0xc2 && p[0] <= 0xdf && s.n >= 2 && is_cont(p[1])) {
        *ret = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        return 2;
    }
    if (p[0] >= 0xe0 && p[0] <= 0xef && s.n >= 3 && is_cont(p[1]) && is_cont(p[2])) {
        uint32_t r = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        if (r < 0x800 || (r >= 0xd800 && r <= 0xdfff))
            return 0;
        *ret = r;
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4 && s.n >= 4 && is_cont(p[1]) && is_cont(p[2]) &&
        is_cont(p[3])) {
        uint32_t r = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
                     (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        if (r < 0x10000 || r > 0x10ffff)
            return 0;
        *ret = r;
        return 4;
    }
    return 0;
}

/* Without a branch for each byte: the ends of pieces overlap. */
static bool is_ascii(fer_str s)
{
    uint64_t all = 0, word = 0;
    uint32_t first, last;
    if (s.n >= sizeof word) {
        for (size_t i = 0; i + sizeof word <= s.n; i += sizeof word) {
            memcpy(&word, s.p + i, sizeof word);
            all |= word;
        }
        memcpy(&word, s.p + s.n - sizeof word, sizeof word);
        all |= word;
    } else if (s.n >= sizeof first) {
        memcpy(&first, s.p, sizeof first);
        memcpy(&last, s.p + s.n - sizeof last, sizeof last);
        all = first | last;
    } else {
        for (size_t i = 0; i < s.n; i++)
            all |= (unsigned char)s.p[i];
    }
    return (all & UINT64_C(0x8080808080808080)) == 0;
}

bool utf8_valid(fer_str s)
{
    if (is_ascii(s)) /* as nearly all are */
        return true;
    while (s.n != 0) {
        uint32_t r;
        size_t n = utf8_decode(s, &r);
        if (n == 0)
            return false;
        s = str_from(s, n);
    }
    return true;
}

size_t utf8_encode(uint32_t r, char *buf)
{
    if (r < 0x80) {
        buf[0] = (char)r;
        return 1;
    }
    if (r < 0x800) {
        buf[0] = (char)(0xc0 | r >> 6);
        buf[1] = (char)(0x80 | (r & 0x3f));
        return 2;
    }
    if (r >= 0xd800 && r <= 0xdfff)
        return 0;
    if (r < 0x10000) {
        buf[0] = (char)(0xe0 | r >> 12);
        buf[1] = (char)(0x80 | (r >> 6 & 0x3f));
        buf[2] = (char)(0x80 | (r & 0x3f));
        return 3;
    }
    if (r > 0x10ffff)
        return 0;
    buf[0] = (char)(0xf0 | r >> 18);
    buf[1] = (char)(0x80 | (r >> 12 & 0x3f));
    buf[2] = (char)(0x80 | (r >> 6 & 0x3f));
    buf[3] = (char)(0x80 | (r & 0x3f));
    return 4;
}
