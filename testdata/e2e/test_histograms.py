"""Native histograms and exemplars end to end: Prometheus 3.5 scrapes a target (protobuf with integer, float and gauge
histograms, classic ones turned into custom buckets) and itself, and sends remote write 1.0 to one Ferula and 2.0 to
another, through a kill -9 of both. Afterwards each answers as the sender does, also when Prometheus serves Ferula's
directory, or its blocks, and Ferula the sender's."""

import json
import math
import os
import re
import shutil
import tempfile
import time
import unittest

import programs
import targets

RUN_S = 6
RAW = '{__name__=~".+"}[60s]'
QUERIES = (
    "nh_int", "nh_float", "nh_gauge", "nhcb", "rate(nh_int[5s])", "sum(rate(nh_float[5s]))", "histogram_quantile(0.9, rate(nh_int[5s]))",
    "histogram_quantile(0.5, sum(rate(nhcb[5s])))", "histogram_count(nh_gauge)", "avg_over_time(nh_gauge[5s])", "resets(nh_int[10s])",
    "histogram_fraction(0, 2, nh_float)", "increase(nhcb[5s])", "count_over_time(nh_int[10s])", "{__name__=~'nh.*'} offset 2s",
    "histogram_sum(prometheus_http_request_duration_seconds)",
)


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


class Histograms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        target = targets.Target()
        cls.addClassCleanup(target.stop)
        cls.target = target.address
        cls.ferulas = [programs.Ferula("--web.enable-admin-api", "--enable-feature=exemplar-storage") for _ in range(2)]
        for f in cls.ferulas:
            cls.addClassCleanup(f.__exit__)
            f.start()
        port = programs.free_port()
        cls.port = port
        cls.prometheus = programs.Prometheus(cls.config(True), "--web.enable-lifecycle",
                                             "--enable-feature=native-histograms,exemplar-storage,metadata-wal-records", suite="sid", port=port)
        cls.addClassCleanup(cls.prometheus.__exit__)
        cls.prometheus.start()
        time.sleep(RUN_S)
        for f in cls.ferulas:
            f.kill()
            f.start()
        time.sleep(RUN_S)
        cls.at = time.time()
        cls.metadata = cls.prometheus.api("metadata")
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
            ours = server.api("metadata")  # of its log
            self.assertGreater(len(self.metadata), 100)
            self.assertEqual({name: ours.get(name) for name in self.metadata}, self.metadata)


if __name__ == "__main__":
    unittest.main()
