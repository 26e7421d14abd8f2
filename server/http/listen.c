/* listen.c - listening addresses in Go's forms: "host:port", ":port", "[v6]:port". */
#include <assert.h>
#include <netdb.h>
#include <stdio.h>

#include "base/num.h"
#include "server/http/int.h"

enum { BACKLOG = 1024 };

/* uv's texts for the usual errors are those Go prints, in other words for some. */
static const char *error_text(int rc)
{
    switch (rc) {
    case UV_EADDRINUSE:
        return "address already in use";
    case UV_EADDRNOTAVAIL:
        return "cannot assign requested address";
    case UV_EACCES:
        return "permission denied";
    default:
        return uv_strerror(rc);
    }
}

static fer_code split_address(const char *address, char host[256], uint16_t *port, fer_err *err)
{
    fer_str a = str_of(address);
    const char *colon = strrchr(address, ':');
    uint64_t number = 0;
    if (colon == NULL || (a.p[0] == '[' && colon != address && colon[-1] != ']'))
        return fer_fail(err, FER_INVALID, "listen tcp: address %s: missing port in address",
                        address);
    fer_str h = {a.p, (size_t)(colon - a.p)};
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = (fer_str){h.p + 1, h.n - 2};
    else if (h.n != 0 && memchr(h.p, ':', h.n) != NULL)
        return fer_fail(err, FER_INVALID, "listen tcp: address %s: too many colons in address",
                        address);
    if (h.n >= 256 || !num_parse_u64(str_of(colon + 1), &number) || number > UINT16_MAX)
        return fer_fail(err, FER_INVALID, "listen tcp: address %s: invalid port", address);
    memcpy(host, h.p, h.n);
    host[h.n] = '\0';
    *port = (uint16_t)number;
    return FER_OK;
}

static fer_code resolve(const char *host, uint16_t port, struct sockaddr_storage *ret, fer_err *err)
{
    memset(ret, 0, sizeof *ret);
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)ret) == 0 ||
        uv_ip6_addr(*host == '\0' ? "::" : host, port, (struct sockaddr_in6 *)ret) == 0)
        return FER_OK;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &list);
    if (rc != 0)
        return fer_fail(err, FER_INVALID, "listen tcp: lookup %s: %s", host, gai_strerror(rc));
    const struct addrinfo *best = list;
    for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
        if (i->ai_family == AF_INET) {
            best = i;
            break;
        }
    }
    assert(best != NULL);
    memcpy(ret, best->ai_addr, best->ai_addrlen);
    freeaddrinfo(list);
    if (ret->ss_family == AF_INET)
        ((struct sockaddr_in *)ret)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)ret)->sin6_port = htons(port);
    return FER_OK;
}

static uint16_t bound_port(const uv_tcp_t *tcp)
{
    struct sockaddr_storage ss;
    int len = sizeof ss;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                         : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

fer_code http_listen(uv_loop_t *loop, uv_tcp_t *tcp, const char *address, uv_connection_cb cb,
                     uint16_t *ret_port, fer_err *err)
{
    char host[256];
    uint16_t port = 0;
    struct sockaddr_storage ss;
    int rc = uv_tcp_init(loop, tcp);
    if (rc != 0)
        return fer_fail(err, FER_IO, "listen tcp %s: %s", address, error_text(rc));
    FER_TRY(split_address(address, host, &port, err));
    FER_TRY(resolve(host, port, &ss, err));
    rc = uv_tcp_bind(tcp, (struct sockaddr *)&ss, 0);
    if (rc == UV_EAFNOSUPPORT && *host == '\0') { /* no IPv6 here: all of IPv4 then */
        uv_ip4_addr("0.0.0.0", port, (struct sockaddr_in *)&ss);
        rc = uv_tcp_bind(tcp, (struct sockaddr *)&ss, 0);
    }
    /* libuv tells a taken address only here. */
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)tcp, BACKLOG, cb);
    if (rc != 0)
        return fer_fail(err, FER_IO, "listen tcp %s: bind: %s", address, error_text(rc));
    *ret_port = bound_port(tcp);
    return FER_OK;
}

void http_address_text(const struct sockaddr *sa, char *buf, size_t n)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        uv_ip4_name(in, host, sizeof host);
        snprintf(buf, n, "%s:%u", host, ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        uv_ip6_name(in6, host, sizeof host);
        /* IPv4 on a socket for both, as Go shows it. */
        bool v4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && strncmp(host, "::ffff:", 7) == 0;
        snprintf(buf, n, v4 ? "%s:%u" : "[%s]:%u", v4 ? host + 7 : host, ntohs(in6->sin6_port));
    }
}
