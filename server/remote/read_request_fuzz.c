/* read_request_fuzz.c - messages of remote read, the scan compared with protobuf-c. */
#include "server/remote/read_request_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    model_compare((fer_str){(const char *)data, size});
    return 0;
}
