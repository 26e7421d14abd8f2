/* wal_fuzzing.h - for fuzzers: a log of records of any bytes. */
#ifndef FERULA_TSDB_WAL_FUZZING_H
#define FERULA_TSDB_WAL_FUZZING_H

#include <assert.h>

#include "base/varint.h"
#include "tsdb/wal/wal.h"

/* Writes a log in dir; the input is { u16 length, record }..., the last record may be cut short. */
static inline void write_log(vfs *fs, const char *dir, const wal_options *o, const uint8_t *data,
                             size_t size)
{
    wal *w;
    fer_code code = wal_open(fs, dir, o, NULL, &w, NULL);
    assert(code == FER_OK);
    while (size >= 2) {
        size_t n = be16_get(data);
        n = n < size - 2 ? n : size - 2;
        wal_append(w, (fer_str){(const char *)data + 2, n});
        data += 2 + n;
        size -= 2 + n;
    }
    code = wal_write(w, NULL);
    assert(code == FER_OK);
    code = wal_close(w, NULL);
    assert(code == FER_OK);
}

#endif
