/* active.c - a list under a lock, and the file of those that run. */
#include "server/api/active.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/thread.h"
#include "server/api/reply.h"

enum { PLACE_BYTES = 1000, LEFT_BYTES_MAX = 16 << 20, SHOWN_TEXT_MAX = 4096 };

struct active_queries {
    fer_clock *clock;
    fer_log *log;
    fer_mutex mu;
    active_query *first, *last;
    uint64_t next_id, killed;
    size_t waiting, running;
    vfs_file *file; /* NULL: none */
    size_t n_places;
    bool *taken; /* by place, from 1 */
};

active_queries *active_queries_new(size_t max_running, fer_clock *clock, fer_log *log)
{
    active_queries *a = fer_calloc(1, sizeof *a);
    fer_mutex_init(&a->mu, "active queries", 0);
    a->clock = clock;
    a->log = log;
    a->next_id = 1;
    a->n_places = max_running;
    a->taken = fer_calloc(max_running + 1, sizeof *a->taken);
    return a;
}

void active_queries_free(active_queries *a)
{
    if (a == NULL)
        return;
    vfs_close(a->file);
    fer_mutex_done(&a->mu);
    fer_free(a->taken);
    fer_free(a);
}

/* ---- the file ---- */

/* The entries of a file that was not closed: without the zeros between them, a list. */
static void tell_unfinished(active_queries *a, fer_str left)
{
    fer_buf list;
    fer_buf_init(&list, LEFT_BYTES_MAX + 2, NULL);
    for (size_t i = 0; i < left.n; i++)
        if (left.p[i] != '\0')
            fer_buf_putc(&list, left.p[i]);
    if (list.n > 1) {
        list.p[list.n - 1] = ']'; /* in place of the last comma */
        fer_buf_putc(&list, '\0');
        LOGW(a->log, "These queries didn't finish in the server's last run:", "queries", list.p);
    }
    fer_buf_done(&list);
}

static fer_code write_anew(active_queries *a, vfs *fs, const char *path, fer_err *err)
{
    static const char zeros[PLACE_BYTES];
    FER_TRY(vfs_open(fs, path, VFS_TRUNCATE, &a->file, err));
    fer_code c = vfs_pwrite(a->file, "[", 1, 0, err);
    for (size_t i = 0; c == FER_OK && i < a->n_places; i++) /* the disk gives all the room now */
        c = vfs_pwrite(a->file, zeros, sizeof zeros, 1 + i * PLACE_BYTES, err);
    if (c != FER_OK)
        vfs_closep(&a->file);
    return c;
}

void active_queries_open(active_queries *a, vfs *fs, const char *dir)
{
    char path[PATH_MAX];
    fer_err err = {0};
    fer_arena *arena = fer_arena_new(NULL, 0);
    fer_str left = {NULL, 0};
    int n = snprintf(path, sizeof path, "%s/queries.active", dir);
    if (n > 0 && (size_t)n < sizeof path) {
        if (vfs_exists(fs, path) &&
            vfs_read_all(fs, path, LEFT_BYTES_MAX, arena, &left, &err) == FER_OK)
            tell_unfinished(a, left);
        if (write_anew(a, fs, path, &err) != FER_OK)
            LOGE(a->log, "Failed to create the file of active queries", "err", err.msg);
    }
    fer_arena_free(arena);
}

/* The entry with as much of the text as fits. */
static void make_entry(const active_query *q, int64_t now_ms, char entry[PLACE_BYTES])
{
    size_t n = q->text.n;
    fer_buf b;
    fer_buf_init(&b, PLACE_BYTES * 8, NULL);
    for (n = n > PLACE_BYTES ? PLACE_BYTES : n;; n = n > 16 ? n - 16 : n - 1) {
        while (n > 0 && n < q->text.n && ((unsigned char)q->text.p[n] & 0xC0) == 0x80)
            n--; /* not inside a character */
        fer_buf_clear(&b);
        fer_buf_puts(&b, STR("{\"query\":"));
        text_json(&b, (fer_str){q->text.p, n});
        fer_buf_printf(&b, ",\"timestamp_sec\":%" PRId64 "}", now_ms / 1000);
        if (b.n < PLACE_BYTES || n == 0)
            break;
    }
    memset(entry, 0, PLACE_BYTES);
    memcpy(entry, b.p, b.n);
    entry[PLACE_BYTES - 1] = ',';
    fer_buf_done(&b);
}

static void write_place(active_queries *a, size_t place, const char bytes[PLACE_BYTES])
{
    fer_code c = vfs_pwrite(a->file, bytes, PLACE_BYTES, 1 + (place - 1) * PLACE_BYTES, NULL);
    (void)c; /* the file is for post-mortems only */
}

static size_t take_place(active_queries *a)
{
    size_t place = 1;
    while (place <= a->n_places && a->taken[place])
        place++;
    if (place > a->n_places)
        return 0;
    a->taken[place] = true;
    return place;
}

/* ---- the list ---- */

void active_add(active_queries *a, active_query *q)
{
    q->since_ms = a->clock->wall_ms(a->clock);
    q->since_ns = a->clock->mono_ns(a->clock);
    q->place = 0;
    q->running = q->killed = false;
    q->next = NULL;
    fer_mutex_lock(&a->mu);
    q->id = a->next_id++;
    q->prev = a->last;
    *(a->last == NULL ? &a->first : &a->last->next) = q;
    a->last = q;
    a->waiting++;
    fer_mutex_unlock(&a->mu);
}

void active_start(active_queries *a, active_query *q)
{
    char entry[PLACE_BYTES];
    fer_mutex_lock(&a->mu);
    q->running = true;
    a->waiting--;
    a->running++;
    size_t place = a->file == NULL ? 0 : take_place(a);
    q->place = place;
    fer_mutex_unlock(&a->mu);
    if (place == 0)
        return;
    make_entry(q, a->clock->wall_ms(a->clock), entry);
    write_place(a, place, entry);
}

void active_remove(active_queries *a, active_query *q)
{
    static const char zeros[PLACE_BYTES];
    if (q->place != 0) /* before another may have it */
        write_place(a, q->place, zeros);
    fer_mutex_lock(&a->mu);
    a->taken[q->place] = false;
    *(q->prev == NULL ? &a->first : &q->prev->next) = q->next;
    *(q->next == NULL ? &a->last : &q->next->prev) = q->prev;
    if (q->running)
        a->running--;
    else
        a->waiting--;
    fer_mutex_unlock(&a->mu);
}

bool active_kill(active_queries *a, uint64_t id)
{
    fer_mutex_lock(&a->mu);
    active_query *q = a->first;
    while (q != NULL && q->id != id)
        q = q->next;
    if (q != NULL) {
        fer_cancel_now(q->token);
        a->killed += !q->killed;
        q->killed = true;
    }
    fer_mutex_unlock(&a->mu);
    return q != NULL;
}

static void put_one(fer_buf *out, const active_query *q, uint64_t now_ns)
{
    char when[API_TIME_TEXT_MAX];
    fer_str text = q->text;
    text.n = text.n > SHOWN_TEXT_MAX ? SHOWN_TEXT_MAX : text.n;
    fer_buf_printf(out, "{\"id\":\"%" PRIu64 "\",\"state\":\"%s\",\"path\":", q->id,
                   q->killed    ? "killed"
                   : q->running ? "running"
                                : "waiting");
    text_json(out, q->path);
    fer_buf_puts(out, STR(",\"query\":"));
    text_json(out, text);
    fer_buf_puts(out, STR(",\"start\":"));
    api_put_time(out, q->start_ms);
    fer_buf_puts(out, STR(",\"end\":"));
    api_put_time(out, q->end_ms);
    fer_buf_puts(out, STR(",\"step\":"));
    api_put_time(out, q->step_ms);
    fer_buf_puts(out, STR(",\"client\":"));
    text_json(out, q->client);
    fer_buf_puts(out, STR(",\"since\":\""));
    fer_buf_puts(out, api_time_text(q->since_ms, when));
    fer_buf_printf(out, "\",\"seconds\":%.3f,\"memoryBytes\":%" PRId64 "}",
                   (double)(now_ns - q->since_ns) / 1e9, fer_account_used(q->account));
}

void active_put(active_queries *a, fer_buf *out)
{
    uint64_t now = a->clock->mono_ns(a->clock);
    fer_buf_putc(out, '[');
    fer_mutex_lock(&a->mu);
    for (const active_query *q = a->first; q != NULL; q = q->next) {
        if (q != a->first)
            fer_buf_putc(out, ',');
        put_one(out, q, now > q->since_ns ? now : q->since_ns);
    }
    fer_mutex_unlock(&a->mu);
    fer_buf_putc(out, ']');
}

active_counts active_count(active_queries *a)
{
    fer_mutex_lock(&a->mu);
    active_counts c = {a->waiting, a->running, a->killed};
    fer_mutex_unlock(&a->mu);
    return c;
}
