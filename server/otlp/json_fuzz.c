/* json_fuzz.c - OTLP/JSON: any text ends in a message that the scan reads, or in an error. */
#include "server/otlp/json.h"
#include "server/otlp/scan_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_buf msg, lines;
    fer_err err;
    fer_buf_init(&msg, 1 << 20, NULL);
    fer_buf_init(&lines, 1 << 20, NULL);
    if (otlp_json_to_protobuf((fer_str){(const char *)data, size}, &msg, &err) == FER_OK)
        MODEL_CHECK(model_scan(fer_buf_str(&msg), &model_options, &lines));
    fer_buf_done(&msg);
    fer_buf_done(&lines);
    return 0;
}
