/* tsdb_int.h - the inside of a database handle, for the files behind tsdb.h. */
#ifndef FERULA_TSDB_TSDB_INT_H
#define FERULA_TSDB_TSDB_INT_H

#include "base/vfs_read_only.h"
#include "tsdb/block/block_set.h"
#include "tsdb/head/head.h"
#include "tsdb/maintenance/maintenance.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal/commit.h"
#include "tsdb/wal/replay.h"

struct tsdb {
    tsdb_options o;
    char *path;
    vfs_read_only fs; /* o.fs with read_only */
    char *wal_dir, *wbl_dir;
    vfs_file *lock; /* NULL with no_lockfile */
    bool clean_start;
    block_set blocks;
    head h;
    committer c;
    wal *w;
    maintenance m;
    replay_stats replay;
    storage storage; /* found from it by offset */
};

#endif
