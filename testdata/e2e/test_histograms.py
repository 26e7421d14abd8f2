"""Native histograms and exemplars end to end: Prometheus 3.5 scrapes a target (protobuf with integer, float and gauge
histograms, classic ones turned into custom buckets) and itself, and sends remote write 1.0 to one Ferula and 2.0 to
another, through a kill -9 of both. Afterwards each answers as the sender does, also when Prometheus serves Ferula's
directory, or its blocks, and Ferula the sender's."""

import http.server
import json
import math
import os
import re
import shutil
import struct
import tempfile
import threading
import time
import unittest

import programs
from remote import field, varint

RUN_S = 6
RAW = '{__name__=~".+"}[60s]'
QUERIES = (
    "nh_int", "nh_float", "nh_gauge", "nhcb", "rate(nh_int[5s])", "sum(rate(nh_float[5s]))", "histogram_quantile(0.9, rate(nh_int[5s]))",
    "histogram_quantile(0.5, sum(rate(nhcb[5s])))", "histogram_count(nh_gauge)", "avg_over_time(nh_gauge[5s])", "resets(nh_int[10s])",
    "histogram_fraction(0, 2, nh_float)", "increase(nhcb[5s])", "count_over_time(nh_int[10s])", "{__name__=~'nh.*'} offset 2s",
    "histogram_sum(prometheus_http_request_duration_seconds)",
)


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


def exemplar(n):
    pair = field(1, field(1, b"trace_id") + field(2, f"t{Target.n}".encode()))
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


def is_close(a, b):
    """Equal but for the last digits of computed numbers: sums of Prometheus 3.14 and 3.5 round differently."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(is_close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(is_close, a, b))
    try:
        return a == b or math.isclose(float(a), float(b), rel_tol=1e-10)
    except (TypeError, ValueError):
        return False


def page(n):
    n = 1000 + n % 9  # a reset now and then; far from zero, to which 3.5 extrapolates otherwise
    return (family("nh_int", 4, field(7, histogram(n) + field(16, exemplar(n)))) + family("nh_float", 4, field(7, histogram(n, True)))
            + family("nh_gauge", 5, field(7, histogram(2009 - n)))
            + family("jobs_total", 0, field(3, double(1, n) + field(2, exemplar(n)))))


def classic(n):
    return (f'# TYPE nhcb histogram\nnhcb_bucket{{le="0.5"}} {n}\nnhcb_bucket{{le="1.0"}} {2 * n}\nnhcb_bucket{{le="+Inf"}} {3 * n}\n'
            f"nhcb_sum {n * 1.25}\nnhcb_count {3 * n}\n").encode()


class Target(http.server.BaseHTTPRequestHandler):
    n = 0

    def do_GET(self):
        Target.n += 1
        is_text = self.path == "/classic"
        body = classic(1000 + Target.n) if is_text else page(Target.n)
        kind = "text/plain" if is_text else "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Histograms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        threading.Thread(target=target.serve_forever, daemon=True).start()
        cls.addClassCleanup(target.server_close)
        cls.addClassCleanup(target.shutdown)
        cls.target = f"127.0.0.1:{target.server_port}"
        cls.ferulas = [programs.Ferula("--web.enable-admin-api", "--enable-feature=exemplar-storage") for _ in range(2)]
        for f in cls.ferulas:
            cls.addClassCleanup(f.__exit__)
            f.start()
        port = programs.free_port()
        cls.port = port
        cls.prometheus = programs.Prometheus(cls.config(True), "--web.enable-lifecycle",
                                             "--enable-feature=native-histograms,exemplar-storage", suite="sid", port=port)
        cls.addClassCleanup(cls.prometheus.__exit__)
        cls.prometheus.start()
        time.sleep(RUN_S)
        for f in cls.ferulas:
            f.kill()
            f.start()
        time.sleep(RUN_S)
        cls.at = time.time()
        cls.prometheus.reload(cls.config(False))
        cls.wait_until_sent()

    @classmethod
    def config(cls, with_targets):
        jobs = [{"job_name": "native", "scrape_protocols": ["PrometheusProto"], "static_configs": [{"targets": [cls.target]}]},
                {"job_name": "classic", "metrics_path": "/classic", "convert_classic_histograms_to_nhcb": True,
                 "static_configs": [{"targets": [cls.target]}]},
                {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{cls.port}"]}]}]
        write = {"send_native_histograms": True, "send_exemplars": True,
                 "queue_config": {"batch_send_deadline": "500ms", "max_backoff": "200ms"}}
        return json.dumps({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
            # 3.5 leaves the bounds of custom buckets out of 1.0.
            "remote_write": [{**write, "url": cls.ferulas[0].url + "/api/v1/write", "write_relabel_configs": [
                                 {"source_labels": ["__name__"], "regex": "nhcb", "action": "drop"}]},
                             {**write, "url": cls.ferulas[1].url + "/api/v1/write", "protobuf_message": "io.prometheus.write.v2.Request"}],
            "scrape_configs": jobs if with_targets else [],
        })

    @classmethod
    def sender_says(cls, name):
        text = cls.prometheus.request("/metrics")[2].decode()
        return [float(v) for v in re.findall(rf"^{name}\{{.*\}} (\S+)$", text, re.MULTILINE)]

    @classmethod
    def wait_until_sent(cls):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            sent = cls.sender_says("prometheus_remote_storage_queue_highest_sent_timestamp_seconds")
            pending = [v for what in ("samples", "histograms") for v in cls.sender_says(f"prometheus_remote_storage_{what}_pending")]
            if len(sent) == 2 and min(sent) >= cls.at - 1.5 and sum(pending) == 0:
                time.sleep(1)
                return
            time.sleep(0.1)
        raise AssertionError(f"the sender still has samples pending:\n{cls.prometheus.log()[-2000:]}")

    def raw(self, server, without="none"):
        found = server.instant(RAW, time=self.at - 1)
        return {json.dumps(s["metric"], sort_keys=True): (s.get("values"), s.get("histograms")) for s in found
                if s["metric"]["__name__"] != without}

    def expect_same(self, server, what, without="none"):
        theirs, ours = self.raw(self.prometheus, without), self.raw(server)
        self.assertEqual(theirs.keys(), ours.keys(), what)
        for metric, values in theirs.items():
            self.assertEqual(values, ours[metric], f"{what}: {metric}")
        for query in QUERIES:
            if without in query or ("offset" in query and without != "none"):
                continue
            args = (query, self.at - 2 * RUN_S, self.at - 1, 0.5)
            want = {json.dumps(s["metric"], sort_keys=True): s for s in self.prometheus.range(*args)}
            got = {json.dumps(s["metric"], sort_keys=True): s for s in server.range(*args)}
            self.assertTrue(is_close(want, got), f"{what}: {query}:\n{want}\n{got}")

    def test_every_histogram_arrived(self):
        found = self.raw(self.prometheus)
        n = sum(len(h or ()) for _, h in found.values())
        self.assertGreater(n, 80)
        for name in ("nh_int", "nh_float", "nh_gauge", "nhcb"):
            self.assertTrue(any(f'"{name}"' in metric and h for metric, (_, h) in found.items()), name)
        self.expect_same(self.ferulas[0], "1.0", without="nhcb")
        self.expect_same(self.ferulas[1], "2.0")

    def exemplars(self, server, query):
        return server.api("query_exemplars", query=query, start=self.at - 60, end=self.at)

    def test_every_exemplar_arrived(self):
        for query in ("nh_int", "rate(jobs_total[1m]) + nh_int", '{__name__=~".+"}', 'jobs_total{job="none"}'):
            want = self.exemplars(self.prometheus, query)
            for server in self.ferulas:
                self.assertEqual(self.exemplars(server, query), want, query)
        self.assertGreater(len(self.exemplars(self.prometheus, "jobs_total")[0]["exemplars"]), 5)

    def test_the_sender_lost_nothing(self):
        for what in ("samples_failed", "samples_dropped", "histograms_failed", "exemplars_failed"):
            self.assertEqual(sum(self.sender_says(f"prometheus_remote_storage_{what}_total")), 0, what)

    def copy(self, path):
        folder = tempfile.mkdtemp(prefix="ferula-e2e-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        to = os.path.join(folder, "data")
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("lock", "queries.active"))
        return to

    def serve_with_prometheus(self, path, what, without="none"):
        with programs.Prometheus("", suite="sid", data=path) as server:
            self.expect_same(server, what, without)

    def test_prometheus_serves_our_log(self):
        self.serve_with_prometheus(self.copy(self.ferulas[0].data), "Ferula's log", without="nhcb")

    def test_prometheus_serves_our_blocks(self):
        name = self.ferulas[1].request("/api/v1/admin/tsdb/snapshot", method="POST")[2]
        path = os.path.join(self.ferulas[1].data, "snapshots", json.loads(name)["data"]["name"])
        self.serve_with_prometheus(self.copy(path), "Ferula's blocks")

    def test_ferula_serves_the_senders_directory(self):
        with programs.Ferula("--enable-feature=exemplar-storage", data=self.copy(self.prometheus.data)) as server:
            self.expect_same(server, "the sender's directory")
            self.assertEqual(self.exemplars(server, "nh_int"), self.exemplars(self.prometheus, "nh_int"))


if __name__ == "__main__":
    unittest.main()
