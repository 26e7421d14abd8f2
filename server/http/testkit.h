/* testkit.h - a server on a free port in a thread of the test, and raw clients of it.
 *
 * Everything asserts by cmocka. Clients wait at most KIT_WAIT_MS.
 */
#ifndef FERULA_SERVER_HTTP_TESTKIT_H
#define FERULA_SERVER_HTTP_TESTKIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdbool.h>

#include "base/thread.h"
#include "server/http/http.h"

enum { KIT_WAIT_MS = 10000 };

typedef struct kit {
    http_server *s;
    fer_thread thread;
    uint16_t port;
    bool over; /* run() has returned */
} kit;

/* listen is filled in when o->n_listen is 0. */
void kit_start(kit *k, const http_options *o, const http_route *routes, size_t n);
/* Stops with the given grace, joins, frees. */
void kit_stop(kit *k, uint64_t grace_ms);
/* Waits for run() to return. */
void kit_join(kit *k);

int kit_connect(const kit *k);
/* As recv(2), again when a signal or the kernel's own work interrupts it. */
ssize_t kit_recv(int fd, void *p, size_t n);
void kit_send(int fd, const void *p, size_t n);
void kit_puts(int fd, const char *text);
/* Milliseconds of the monotonic clock. */
uint64_t kit_now_ms(void);
void kit_sleep_ms(unsigned ms);

typedef struct kit_answer {
    int status;
    char *head; /* status line and headers, NUL at the end */
    char *body; /* chunks joined, not decompressed; NUL behind it */
    size_t body_n;
    bool chunked;
    bool complete; /* ended as its framing says, not by a cut */
} kit_answer;

/* Reads one answer; bytes behind it stay in the socket. For HEAD `no_body`. */
void kit_read(int fd, kit_answer *ret, bool no_body);
void kit_done(kit_answer *a);
/* The value of a header, or NULL; valid until the next call. */
const char *kit_header(const kit_answer *a, const char *name);
/* Inflates the body in place. */
void kit_gunzip(kit_answer *a);
/* True when the peer ends the connection without another byte. */
bool kit_at_end(int fd);
/* One request on a connection of its own, by its text. */
void kit_once(const kit *k, const char *request, kit_answer *ret);

#endif
