/* wal_frame.h - the fragment, shared by the WAL's writer and its reader.
 *
 *    0        1         3             7              7+length
 *    +--------+---------+-------------+--------------+
 *    | type   | length  | crc32c      | data         |
 *    | u8     | u16 be  | u32 be      | length bytes |
 *    +--------+---------+-------------+--------------+
 *    type & 7   FRAME_* below; 0: the rest of the page is unused, all zeros
 *    type & 8   the record is a snappy block    type & 16   it is a zstd frame
 *
 * The checksum is over the data as stored. docs/formats/wal.md tells the rest.
 */
#ifndef FERULA_TSDB_WAL_FRAME_H
#define FERULA_TSDB_WAL_FRAME_H

#include "tsdb/wal/wal.h"

enum {
    FRAME_PADDING = 0,
    FRAME_WHOLE = 1,
    FRAME_FIRST = 2,
    FRAME_MIDDLE = 3,
    FRAME_LAST = 4,
    FRAME_KIND = 7,
    FRAME_SNAPPY = 8,
    FRAME_ZSTD = 16,
    FRAME_PACKED = FRAME_SNAPPY | FRAME_ZSTD,
};

#endif
