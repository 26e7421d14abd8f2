#!/usr/bin/env python3
"""Makes the golden WAL directories beside this file with real Prometheus programs.

    make.py [NAME...]        all of CASES, or those named

Each NAME/ then holds wal/ as Prometheus left it and dump.txt, what the promtool of the same release
prints for a directory that has nothing but this wal/ (`promtool tsdb dump`). Series and values are
fixed, timestamps are those of the run, so a new run makes other bytes: keep what is in git unless a
case changes. Needs dev.d/peers; stdlib only.
"""

import base64
import hashlib
import http.server
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def peer(name):
    return subprocess.run([os.path.join(ROOT, "dev.d/peers"), name], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def text_page(n):
    """A small page: a counter, gauges with the values that formats trip over, a series that goes."""
    specials = ["NaN", "+Inf", "-Inf", "0", "-0", "1e-300", "0.1", "3"]
    lines = [
        "# HELP jobs_total Jobs done.", "# TYPE jobs_total counter", f"jobs_total {n}",
        "# HELP temperature_celsius Of the room, \\\\ and \\n in a help text.",
        "# TYPE temperature_celsius gauge",
        f'temperature_celsius{{room="küche",note="a \\"quoted\\" \\\\ value"}} {20 + (n % 7) / 8}',
        f'special{{kind="cycle"}} {specials[n % len(specials)]}',
        "constant 1",
    ]
    if n % 5 != 4:
        lines.append(f'sometimes{{n="1"}} {n * n}')
    return "\n".join(lines) + "\n"


def noise(seed, n):
    """n characters that neither snappy nor zstd can make much smaller."""
    raw = b"".join(hashlib.sha512(f"{seed} {i}".encode()).digest() for i in range(n // 64 + 1))
    return base64.b85encode(raw).decode()[:n].replace("\\", "/").replace('"', "'")


def wide_page(series):
    """On one scrape also `series` series with a label value of 1,100 bytes: records over pages."""
    def page(n):
        extra = [f'wide{{id="{noise(i, 1100)}",i="{i}"}} {i + n / 16}' for i in range(series)]
        return text_page(n) + "".join(f"{line}\n" for line in extra if n == 3)
    return page


def openmetrics_page(n):
    """Metadata, exemplars and a classic histogram, which Prometheus 3 can turn into a native one."""
    return (
        "# HELP jobs Jobs done.\n# TYPE jobs counter\n"
        f'jobs_total {n} # {{trace_id="t{n}"}} {n}.5\n'
        "# HELP size_bytes Size.\n# TYPE size_bytes gauge\n# UNIT size_bytes bytes\n"
        f"size_bytes {n * 10}\n"
        "# TYPE latency_seconds histogram\n"
        f'latency_seconds_bucket{{le="0.5"}} {n}\n'
        f'latency_seconds_bucket{{le="1.0"}} {2 * n} # {{trace_id="h{n}"}} 0.7\n'
        f'latency_seconds_bucket{{le="+Inf"}} {3 * n}\n'
        f"latency_seconds_sum {n * 1.25}\nlatency_seconds_count {3 * n}\n"
        "# EOF\n")


class Page:
    """Serves page(n) for the n-th GET of /metrics."""

    def __init__(self, page, content_type):
        owner = self
        self.n = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = page(owner.n).encode()
                owner.n += 1
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, n):
        deadline = time.time() + 60
        while self.n < n and time.time() < deadline:
            time.sleep(0.05)
        if self.n < n:
            raise SystemExit(f"only {self.n} of {n} scrapes came")
        time.sleep(0.2)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Prometheus:
    def __init__(self, work, suite, flags, config):
        self.port = free_port()
        with open(f"{work}/prometheus.yml", "w", encoding="utf-8") as f:
            f.write(config)
        self.process = subprocess.Popen(
            [peer(f"{suite}/prometheus"), f"--config.file={work}/prometheus.yml",
             f"--storage.tsdb.path={work}/data", f"--web.listen-address=127.0.0.1:{self.port}",
             "--log.level=warn", *flags], stdout=subprocess.DEVNULL, stderr=None)
        self.wait_ready()

    def get(self, path, data=None, headers=None):
        r = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data,
                                   headers=headers or {})
        return urllib.request.urlopen(r, timeout=10).read()

    def wait_ready(self):
        for _ in range(300):
            try:
                self.get("/-/ready")
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("prometheus does not get ready")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()


def scrape_config(port, extra=""):
    return (f"global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\n"
            f"scrape_configs:\n- job_name: page\n{extra}"
            f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")


def uvarint(v):
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def remote_write(prometheus, series):
    """series: [({name: value}, [(t, v)])]. Remote write 1.0, snappy made of literals alone."""
    def field(number, payload):
        return uvarint(number << 3 | 2) + uvarint(len(payload)) + payload

    body = b""
    for labels, samples in series:
        ts = b"".join(field(1, field(1, k.encode()) + field(2, v.encode()))
                      for k, v in sorted(labels.items()))
        ts += b"".join(field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + uvarint(t))
                       for t, v in samples)
        body += field(1, ts)
    packed = uvarint(len(body))
    for i in range(0, len(body), 60):
        part = body[i:i + 60]
        packed += bytes([(len(part) - 1) << 2]) + part
    prometheus.get("/api/v1/write", packed, {
        "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0"})


def scraped(suite, flags, page, content_type="text/plain", extra="", last=None):
    """Three runs: a clean stop, a kill, a clean stop."""
    def run(work):
        source = Page(page, content_type)
        config = scrape_config(source.port, extra)
        for scrapes, how in ((6, signal.SIGTERM), (12, signal.SIGKILL), (16, signal.SIGTERM)):
            p = Prometheus(work, suite, flags, config)
            source.wait(scrapes)
            if last and scrapes == 16:
                last(p)
            p.stop(how)
    return suite, run


def checkpointed(suite, flags):
    """Remote-written samples over hours and several starts, until Prometheus makes a checkpoint."""
    def run(work):
        flags_all = flags + ["--web.enable-remote-write-receiver"]
        minute = 60_000
        begin = int(time.time()) * 1000 - 5 * 60 * minute
        begin -= begin % (120 * minute)

        def write(p, minutes):
            for m in minutes:
                remote_write(p, [({"__name__": "clock", "i": str(i)},
                                  [(begin + m * minute, m + i / 4)]) for i in range(10)])
            remote_write(p, [({"__name__": "once", "minute": str(m)},
                              [(begin + m * minute, m)]) for m in minutes])

        for start in range(0, 150, 30):
            p = Prometheus(work, suite, flags_all, "")
            write(p, range(start, start + 30, 3))
            p.stop()
        p = Prometheus(work, suite, flags_all, "")
        write(p, range(150, 200, 5))
        for _ in range(150):
            if any(n.startswith("checkpoint.") and not n.endswith(".tmp")
                   for n in os.listdir(f"{work}/data/wal")):
                break
            time.sleep(1)
        else:
            raise SystemExit("no checkpoint came")
        write(p, range(200, 220, 5))
        p.stop()
    return suite, run


def delete_some(p):
    p.get("/api/v1/admin/tsdb/delete_series?match[]=size_bytes", data=b"")


OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = ["--no-storage.tsdb.wal-compression"]
CASES = {
    "prometheus-2.42-plain": scraped("release", PLAIN, wide_page(62)),
    "prometheus-2.42-snappy": scraped("release", [], wide_page(35)),
    "prometheus-3.5-plain": scraped("sid", PLAIN, text_page),
    "prometheus-3.5-snappy": scraped("sid", [], text_page),
    "prometheus-3.5-zstd": scraped("sid", ["--storage.tsdb.wal-compression-type=zstd"], wide_page(75)),
    "prometheus-3.5-all-records": scraped(
        "sid", ["--enable-feature=exemplar-storage,metadata-wal-records,native-histograms",
                "--web.enable-admin-api"],
        openmetrics_page, OPENMETRICS, "  convert_classic_histograms_to_nhcb: true\n", delete_some),
    "prometheus-3.5-checkpoint": checkpointed("sid", []),
}


def dump(suite, wal):
    """The listing of promtool for a directory with only this WAL."""
    with tempfile.TemporaryDirectory() as d:
        shutil.copytree(wal, f"{d}/wal")
        p = subprocess.run([peer(f"{suite}/promtool"), "tsdb", "dump", d], check=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in p.stderr.splitlines():
            print(line, file=sys.stderr)
        return p.stdout


def main():
    for name in sys.argv[1:] or CASES:
        suite, run = CASES[name]
        out = os.path.join(HERE, name)
        shutil.rmtree(out, ignore_errors=True)
        with tempfile.TemporaryDirectory() as work:
            run(work)
            shutil.copytree(f"{work}/data/wal", f"{out}/wal")
        with open(f"{out}/dump.txt", "w", encoding="utf-8") as f:
            f.write(dump(suite, f"{out}/wal"))
        print(name)


if __name__ == "__main__":
    main()
