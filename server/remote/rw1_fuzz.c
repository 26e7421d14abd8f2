/* rw1_fuzz.c - remote-write bodies: snappy, then the scan compared with protobuf-c.
 *
 * The first byte chooses: even, the rest is a message; odd, a snappy block. */
#include "server/remote/body.h"
#include "server/remote/rw1_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    fer_str rest = {(const char *)data + 1, size - 1};
    if (data[0] % 2 == 0) {
        model_compare(rest);
        return 0;
    }
    fer_buf out;
    fer_err err;
    rw_decoder d = {0};
    fer_buf_init(&out, RW_DECODED_BYTES_MAX, NULL);
    if (rw_decode(&d, RW_SNAPPY, rest, &out, &err) == FER_OK)
        model_compare(fer_buf_str(&out));
    fer_buf_done(&out);
    return 0;
}
