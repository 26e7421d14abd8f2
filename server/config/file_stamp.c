/* file_stamp.c - stat() in short. */
#include "server/config/file_stamp.h"

#include <sys/stat.h>

static int64_t nanos(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

file_stamp file_stamp_of(const char *path)
{
    struct stat st;
    if (*path == '\0' || stat(path, &st) != 0)
        return (file_stamp){0};
    return (file_stamp){
        .modified_ns = nanos(st.st_mtim),
        .changed_ns = nanos(st.st_ctim),
        .size = (uint64_t)st.st_size,
        .inode = st.st_ino,
        .device = st.st_dev,
    };
}

bool file_stamp_eq(const file_stamp *a, const file_stamp *b)
{
    return a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns &&
           a->size == b->size && a->inode == b->inode && a->device == b->device;
}
