#include "tsdb/wal/replay_progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEGMENT_BYTES = 1000 };

typedef struct fixture {
    char dir[64];
    int fd[2];
    fer_clock_fake clock;
    fer_log *log;
    replay_progress p;
} fixture;

/* The log has the segments 7, 8 and 9 of SEGMENT_BYTES each, but for those left out. */
static void begin(fixture *f, const char *leave_out)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/replay-progress-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (unsigned i = 7; i <= 9; i++) {
        char path[128];
        vfs_file *file;
        snprintf(path, sizeof path, "%s/%08u", f->dir, i);
        if (strstr(leave_out, path + strlen(f->dir) + 1) != NULL)
            continue;
        assert_int_equal(vfs_open(vfs_posix(), path, VFS_CREATE, &file, NULL), FER_OK);
        assert_int_equal(vfs_truncate(file, SEGMENT_BYTES, NULL), FER_OK);
        vfs_close(file);
    }
    assert_int_equal(pipe(f->fd), 0);
    fer_clock_fake_init(&f->clock, 0);
    f->log = fer_log_new(f->fd[1], LOG_INFO, LOG_LOGFMT, &f->clock.base);
    replay_progress_begin(&f->p, vfs_posix(), f->dir, &f->clock.base, f->log);
}

/* All that was told, in text. */
static void end(fixture *f, char *text, size_t n)
{
    replay_progress_done(&f->p);
    fer_log_free(f->log);
    close(f->fd[1]);
    ssize_t got = read(f->fd[0], text, n - 1);
    text[got < 0 ? 0 : got] = '\0';
    close(f->fd[0]);
    assert_int_equal(vfs_remove_all(vfs_posix(), f->dir, NULL), FER_OK);
}

static void percent_and_seconds_are_told_once_a_second(void **state)
{
    (void)state;
    fixture f;
    char text[4096];
    begin(&f, "");
    replay_progress_at(&f.p, 7, 0);
    fer_clock_fake_advance(&f.clock, 999);
    replay_progress_at(&f.p, 7, 500);
    fer_clock_fake_advance(&f.clock, 1001);
    replay_progress_at(&f.p, 8, 200); /* 1200 of 3000 bytes in 2 s: 3 s are left */
    replay_progress_at(&f.p, 9, 999);
    end(&f, text, sizeof text);
    const char *line = strstr(text, "Reading the log");
    assert_non_null(line);
    assert_non_null(strstr(line, "segment=8 last=9 percent=40 seconds_left=3"));
    assert_null(strstr(line + 1, "Reading the log"));
}

static void what_is_not_known_is_not_told(void **state)
{
    (void)state;
    fixture f;
    char text[4096];
    begin(&f, "00000008");
    fer_clock_fake_advance(&f.clock, 5000);
    replay_progress_at(&f.p, 9, 10); /* behind a gap */
    end(&f, text, sizeof text);
    assert_string_equal(text, "");

    begin(&f, "");
    fer_clock_fake_advance(&f.clock, 5000);
    replay_progress_at(&f.p, 6, 10); /* of a checkpoint */
    fer_clock_fake_advance(&f.clock, 5000);
    replay_progress_at(&f.p, 9, SEGMENT_BYTES + 1); /* a segment that grew meanwhile */
    end(&f, text, sizeof text);
    assert_string_equal(text, "");

    begin(&f, "00000007 00000008 00000009");
    fer_clock_fake_advance(&f.clock, 5000);
    replay_progress_at(&f.p, 0, 0);
    end(&f, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percent_and_seconds_are_told_once_a_second),
        cmocka_unit_test(what_is_not_known_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
