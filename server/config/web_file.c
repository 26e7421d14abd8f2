/* web_file.c */
#include "server/config/web_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1024 * 1024 };

/* The C library's text, begun small as Go's are. */
static fer_code fail_file(const char *what, const char *path, int sys, fer_err *err)
{
    char text[128] = "unknown error";
    const char *s = strerror_r(sys, text, sizeof text);
    char first = *s >= 'A' && *s <= 'Z' ? (char)(*s | 0x20) : *s;
    return fer_fail(err, FER_IO, "%s %s: %c%s", what, path, first, *s == '\0' ? "" : s + 1);
}

static fer_code read_open(int fd, const char *path, fer_arena *a, fer_str *ret, fer_err *err)
{
    size_t n = 0, cap = 16 * 1024;
    char *p = fer_arena_alloc(a, cap);
    for (;;) {
        if (p == NULL)
            return fer_fail_budget(err, "web configuration");
        ssize_t got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_file("read", path, errno, err);
        n += (size_t)got;
        if (got == 0)
            break;
        if (n == cap && cap >= FILE_BYTES_MAX)
            return fer_fail(err, FER_INVALID, "read %s: larger than %d bytes", path,
                            FILE_BYTES_MAX);
        if (n == cap) {
            p = fer_arena_grow(a, p, cap, 2 * cap);
            cap *= 2;
        }
    }
    *ret = (fer_str){p, n};
    return FER_OK;
}

fer_code web_file_read(const char *path, fer_arena *a, fer_str *ret, fer_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_file("open", path, errno, err);
    fer_code c = read_open(fd, path, a, ret, err);
    close(fd);
    return c;
}

/* "a/./b//../c" becomes "a/c", as Go's filepath.Clean. In place. */
static void clean_path(char *path)
{
    bool rooted = path[0] == '/';
    char *out = path + rooted, *floor = out;
    for (const char *in = path; *in != '\0';) {
        while (*in == '/')
            in++;
        size_t n = strcspn(in, "/");
        bool up = n == 2 && in[0] == '.' && in[1] == '.';
        if (n == 0 || (n == 1 && in[0] == '.')) {
        } else if (up && out != floor) {
            while (out != floor && *--out != '/')
                ;
        } else if (!up || !rooted) {
            if (out != path + rooted)
                *out++ = '/';
            memmove(out, in, n);
            out += n;
            if (up)
                floor = out;
        }
        in += n;
    }
    if (out == path)
        *out++ = '.';
    *out = '\0';
}

fer_code web_file_resolve(fer_str *path, const char *file, fer_arena *a, fer_err *err)
{
    const char *slash = strrchr(file, '/');
    size_t n = path->n == 0 || path->p[0] == '/' || slash == NULL ? 0 : (size_t)(slash - file) + 1;
    fer_str joined = fer_arena_printf(a, "%.*s%.*s", (int)n, file, STR_FMT(*path));
    char *p = joined.p == NULL ? NULL : fer_arena_alloc(a, joined.n + 2);
    if (p == NULL)
        return fer_fail_budget(err, "web configuration");
    memcpy(p, joined.p, joined.n);
    p[joined.n] = '\0';
    if (path->n != 0 && path->p[0] != '/')
        clean_path(p);
    *path = str_of(p);
    return FER_OK;
}
