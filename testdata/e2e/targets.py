"""A target to be scraped: /metrics as protobuf with native histograms of all kinds and exemplars, /classic as text with a classic
histogram, /dated as text with samples that tell their times. `dated` of a target holds what /dated has served."""

import http.server
import struct
import threading
import time

from remote import field, varint

DATED_SERIES = 50


def double(num, v):
    return varint(num << 3 | 1) + struct.pack("<d", v)


def number(num, v):
    return varint(num << 3) + varint(v)


def zigzag(v):
    return v << 1 if v >= 0 else (-v << 1) - 1


def span(num, offset, length):
    return field(num, number(1, zigzag(offset)) + number(2, length))


def family(name, kind, metric):
    data = field(1, name.encode()) + number(3, kind) + field(4, metric)
    return varint(len(data)) + data


def exemplar(serial, n):
    pair = field(1, field(1, b"trace_id") + field(2, f"t{serial}".encode()))
    return pair + double(2, 1.5) + field(3, number(1, int(time.time())) + number(2, n * 1000000 % 10**9))


def histogram(n, is_float=False):
    """n observations a bucket; more buckets as n grows, a gap between the first two and the others."""
    m = 2 + n % 5
    counts = [n + i for i in range(m)]
    total = sum(counts) * 2 + n
    body = (double(4, total) if is_float else number(1, total)) + double(2, 2.5 * total) + number(5, zigzag(2)) + double(6, 0.001)
    body += double(8, n) if is_float else number(7, n)
    for spans, ints, floats in ((9, 10, 11), (12, 13, 14)):
        body += span(spans, -1, 2) + (span(spans, 3, m - 2) if m > 2 else b"")
        if is_float:
            body += b"".join(double(floats, c) for c in counts)
        else:
            body += b"".join(number(ints, zigzag(b - a)) for a, b in zip([0, *counts], counts))
    return body


def page(serial):
    n = 1000 + serial % 9  # a reset now and then; far from zero, to which 3.5 extrapolates otherwise
    return (family("nh_int", 4, field(7, histogram(n) + field(16, exemplar(serial, n)))) + family("nh_float", 4, field(7, histogram(n, True)))
            + family("nh_gauge", 5, field(7, histogram(2009 - n)))
            + family("jobs_total", 0, field(3, double(1, n) + field(2, exemplar(serial, n)))))


def classic(n):
    return (f'# TYPE nhcb histogram\nnhcb_bucket{{le="0.5"}} {n}\nnhcb_bucket{{le="1.0"}} {2 * n}\nnhcb_bucket{{le="+Inf"}} {3 * n}\n'
            f"nhcb_sum {n * 1.25}\nnhcb_count {3 * n}\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        target = self.server.target
        with target.lock:
            target.n += 1
            n = target.n
        kind = "text/plain"
        if self.path == "/classic":
            body = classic(1000 + n)
        elif self.path == "/dated":
            body = target.dated_page()
        else:
            body, kind = page(n), "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A scrape that was given up is none."""


class Target:
    def __init__(self):
        self.n, self.dated, self.lock = 0, {}, threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.target = self
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def dated_page(self):
        """Counters at this millisecond: the i-th is (i + 1) times `dated[ms]`."""
        with self.lock:
            t = max(int(time.time() * 1000), max(self.dated, default=0) + 1)
            self.dated[t] = len(self.dated) + 1
            v = self.dated[t]
        lines = [f'dated_total{{i="{i}"}} {v * (i + 1)} {t}\n' for i in range(DATED_SERIES)]
        return ("# HELP dated_total What was served.\n# TYPE dated_total counter\n" + "".join(lines)).encode()
