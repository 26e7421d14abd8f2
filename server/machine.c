/* machine.c - reading the kernel's text files. */
#include "server/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"

/* The start of a small file, NUL-terminated; empty when it cannot be read. */
static fer_str read_small(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return STR("");
    ssize_t n = read(fd, buf, cap - 1);
    close(fd);
    if (n < 0)
        n = 0;
    buf[n] = '\0';
    return (fer_str){buf, (size_t)n};
}

/* The whole number at the start of s, or -1. */
static int64_t leading_number(fer_str s)
{
    size_t n = 0;
    int64_t v;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return num_parse_i64(str_head(s, n), &v) ? v : -1;
}

static int64_t file_number(const char *path)
{
    char buf[64];
    return leading_number(read_small(path, buf, sizeof buf));
}

/* The path behind `key` in /proc/self/cgroup ("0::" for version 2, ":memory:" for version 1), such as
 * "/system.slice/x"; "/" when it is not there. */
static fer_str own_cgroup(const char *key, char *buf, size_t cap)
{
    fer_str text = read_small("/proc/self/cgroup", buf, cap);
    const char *at = text.n == 0 ? NULL : strstr(text.p, key);
    if (at == NULL)
        return STR("/");
    fer_str path = str_from(text, (size_t)(at - text.p) + strlen(key));
    const char *nl = memchr(path.p, '\n', path.n);
    return nl == NULL ? path : str_head(path, (size_t)(nl - path.p));
}

/* The least limit in `file` from the own cgroup up to the root of `mount`; -1 when none is set. */
static int64_t cgroup_limit(const char *mount, const char *key, const char *file)
{
    char buf[1024], path[1300];
    fer_str group = own_cgroup(key, buf, sizeof buf);
    int64_t least = -1;
    for (;;) {
        snprintf(path, sizeof path, "%s%.*s/%s", mount, STR_FMT(group), file);
        int64_t v = file_number(path);
        if (v >= 0 && (least < 0 || v < least))
            least = v;
        while (group.n > 0 && group.p[group.n - 1] != '/')
            group.n--;
        if (group.n == 0)
            return least;
        group.n--;
    }
}

static int64_t proc_field(const char *file, const char *key)
{
    char buf[4096];
    fer_str text = read_small(file, buf, sizeof buf);
    const char *at = text.n == 0 ? NULL : strstr(text.p, key);
    if (at == NULL)
        return -1;
    at += strlen(key);
    while (*at == ' ' || *at == '\t')
        at++;
    return leading_number(str_of(at));
}

int64_t machine_memory_bytes(void)
{
    int64_t total = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t limits[] = {
        cgroup_limit("/sys/fs/cgroup", "0::", "memory.max"),
        cgroup_limit("/sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes"),
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i] > 0 && limits[i] < total)
            total = limits[i];
    return total;
}

unsigned machine_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : (unsigned)n;
}

int64_t machine_resident_bytes(void)
{
    return proc_field("/proc/self/status", "VmRSS:") * 1024;
}

int64_t machine_virtual_bytes(void)
{
    return proc_field("/proc/self/status", "VmSize:") * 1024;
}

double machine_cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int64_t machine_open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return -1;
    int64_t n = 0;
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n - 3; /* ., .. and the directory itself */
}

void machine_raise_max_fds(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= l.rlim_max)
        return;
    l.rlim_cur = l.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &l); /* as it was, then */
}

int64_t machine_max_fds(void)
{
    struct rlimit l;
    return getrlimit(RLIMIT_NOFILE, &l) == 0 ? (int64_t)l.rlim_cur : -1;
}
