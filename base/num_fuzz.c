/* Any bytes as a number: never a read outside them (the copy has their exact size); what is accepted
 * must be what the C library reads, and what is printed must read back. */
#include <assert.h>
#include <math.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t bits(double v)
{
    uint64_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static void assert_texts_read_back(double v)
{
    size_t (*const formats[])(char *, double) = {num_format_f, num_format_e, num_format_g,
                                                 num_format_json, num_format_om};
    for (size_t i = 0; i < 5; i++) {
        char text[NUM_TEXT_MAX];
        double back;
        bool ok = num_parse_f64((fer_str){text, formats[i](text, v)}, &back);
        assert(ok);
        assert(back == v || (isnan(back) && isnan(v)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = fer_alloc(size);
    if (size != 0)
        memcpy(exact, data, size);
    double v = 7;
    bool ok = num_parse_f64((fer_str){exact, size}, &v);
    if (ok || v != 7) {
        char *text = fer_memdup0(data, size);
        char *end;
        double want = strtod(text, &end);
        assert(end == text + size);
        assert(isnan(v) ? isnan(want) : bits(v) == bits(want));
        fer_free(text);
        assert_texts_read_back(v);
    }
    int64_t i;
    if (num_parse_i64((fer_str){exact, size}, &i)) {
        char text[NUM_TEXT_MAX];
        int64_t back;
        ok = num_parse_i64((fer_str){text, num_format_i64(text, i)}, &back);
        assert(ok && back == i);
    }
    fer_free(exact);
    if (size >= sizeof v) {
        memcpy(&v, data, sizeof v);
        assert_texts_read_back(v);
    }
    return 0;
}
