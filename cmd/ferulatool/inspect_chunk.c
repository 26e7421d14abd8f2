#include "cmd/ferulatool/inspect_chunk.h"

#include "base/varint.h"
#include "tsdb/chunk/chunk.h"
#include "tsdb/chunk/chunk_hist.h"

const char *inspect_encoding_name(uint8_t encoding)
{
    static const char *const known[] = {
        "none", "xor",          "histogram",         "float_histogram",
        "xor2", "histogram_st", "float_histogram_st"};
    return encoding < sizeof known / sizeof *known ? known[encoding] : "unknown";
}

unsigned inspect_chunk_count(uint8_t encoding, fer_str data)
{
    unsigned n = be16_get((const uint8_t *)data.p);
    bool is_shared = encoding == CHUNK_HISTOGRAM_ST || encoding == CHUNK_FLOAT_HISTOGRAM_ST;
    return is_shared ? n & ((1U << CHUNK_ST_COUNT_BITS) - 1) : n;
}

fer_code inspect_samples(report *r, uint8_t encoding, fer_str data)
{
    samples s;
    samples_init(&s, NULL);
    fer_code code = chunk_decode(encoding, data, INT64_MIN, INT64_MAX, &s);
    for (size_t i = 0; i < s.n; i++) {
        report_begin(r, "sample");
        report_int(r, "time", s.t[i]);
        if (s.type != NULL && s.type[i] != SAMPLE_FLOAT)
            report_histogram(r, s.h[i], s.type[i] == SAMPLE_HISTOGRAM);
        else
            report_float(r, "value", s.v[i]);
        report_end(r);
    }
    samples_done(&s);
    return code;
}
