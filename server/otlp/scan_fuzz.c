/* scan_fuzz.c - OTLP requests: any bytes end in rows or an error; what protobuf-c reads plainly is read alike. */
#include "server/otlp/scan_model.h"

/* Twice, with delta points added up. */
static void scan_deltas(fer_str msg)
{
    fer_clock_fake clock;
    rw_request q;
    otlp_refused refused;
    fer_err err;
    fer_clock_fake_init(&clock, 0);
    otlp_options o = model_options;
    o.cumulator = otlp_cumulator_new(&clock.base, NULL);
    otlp_name_cache *names = otlp_name_cache_new();
    rw_request_init(&q, NULL);
    for (int i = 0; i < 2; i++) {
        fer_arena *a = fer_arena_new(NULL, 0);
        fer_code c = otlp_scan(msg, &o, model_fingerprint, NULL, names, a, &q, &refused, &err);
        MODEL_CHECK(c == FER_OK || c == FER_INVALID);
        fer_arena_free(a);
    }
    rw_request_done(&q);
    otlp_name_cache_free(names);
    otlp_cumulator_free(o.cumulator);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_buf lines;
    otlp_options o = model_options;
    o.type_and_unit = size % 2 == 1;
    fer_buf_init(&lines, 1 << 20, NULL);
    model_scan((fer_str){(const char *)data, size}, &o, &lines);
    fer_buf_done(&lines);
    scan_deltas((fer_str){(const char *)data, size});
    return 0;
}
