#include "tsdb/chunk/chunk.h"

#include "tsdb/chunk/chunk_hist.h"
#include "tsdb/chunk/chunk_xor.h"
#include "tsdb/chunk/chunk_xor2.h"

bool chunk_is_known(uint8_t encoding)
{
    return encoding == CHUNK_XOR || encoding == CHUNK_XOR2 || chunk_is_histogram(encoding);
}

fer_code chunk_decode(uint8_t encoding, fer_str chunk, int64_t mint, int64_t maxt, samples *out)
{
    switch (encoding) {
    case CHUNK_XOR:
        return xor_decode(chunk, 0, mint, maxt, out);
    case CHUNK_XOR2:
        return xor2_decode(chunk, 0, mint, maxt, out);
    case CHUNK_HISTOGRAM:
    case CHUNK_FLOAT_HISTOGRAM:
    case CHUNK_HISTOGRAM_ST:
    case CHUNK_FLOAT_HISTOGRAM_ST:
        return hist_decode(encoding, chunk, 0, mint, maxt, out);
    default:
        return FER_UNSUPPORTED;
    }
}
