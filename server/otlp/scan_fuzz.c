/* scan_fuzz.c - OTLP requests: any bytes end in rows or an error; what protobuf-c reads plainly is read alike. */
#include "server/otlp/scan_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fer_buf lines;
    fer_buf_init(&lines, 1 << 20, NULL);
    model_scan((fer_str){(const char *)data, size}, &model_options, &lines);
    fer_buf_done(&lines);
    return 0;
}
