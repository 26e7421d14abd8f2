"""/federate: the same requests to a running Prometheus 3.5 and to Ferula, on the same data; and a Prometheus
that scrapes Ferula's /federate."""

import json
import math
import time
import unittest

import programs
import remote

ALL = '{__name__=~".+"}'
CONFIG = json.dumps({"global": {"external_labels": {"replica": "r1", "zz": "last"}}})


def data(t):
    """The newest samples lie at t."""
    yield remote.series({"__name__": "a", "x": "1", "instance": "i"}, [(t - 1000, 1), (t, 2.5)])
    yield remote.series({"__name__": "a", "x": 'q"\\\n', "replica": "own"}, [(t, 1e21)])
    yield remote.series({"__name__": "a", "A": "before the name", "instance": ""}, [(t, 1)])
    yield remote.series({"__name__": "b", "le": "+Inf"}, [(t, math.nan)])
    yield remote.series({"__name__": "b", "le": "1"}, [(t, math.inf)])
    yield remote.series({"__name__": "größe.x", "wo liegt": "ü", "_": "1"}, [(t, -0.0)])
    yield remote.series({"__name__": "stale"}, [(t - 1, 1), (t, remote.STALE)])
    yield remote.series({"__name__": "old"}, [(t - 400000, 1)])
    yield remote.series({"__name__": "c_total"}, [(t, 3)])
    yield remote.series({"__name__": "c_total", "instance": "z"}, [(t + 1, 1e-9)])
    for i, gauge in enumerate((False, True, True, False)):
        tail = remote.histogram(t, i + 1) + (b"\x70\x03" if gauge else b"")
        yield remote.series({"__name__": "hist", "i": f"{i}", "größe": "1"}, [], remote.field(4, tail))
        yield remote.series({"__name__": "hist", "i": f"{i}a"}, [(t, i)])
    yield remote.series({"__name__": "hist", "i": "9"}, [], remote.field(4, remote.histogram(t - 60000, 7)))
    for i in range(2000):
        yield remote.series({"__name__": "many", "n": str(i), "padding": "x" * 50}, [(t, i / 3)])


class Federate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.reference = programs.Prometheus(CONFIG, "--web.enable-remote-write-receiver", "--enable-feature=native-histograms", suite="sid")
        cls.addClassCleanup(cls.reference.__exit__)
        cls.reference.start()
        cls.ferula = programs.Ferula(f"--config.file={cls.reference.config_path}")
        cls.addClassCleanup(cls.ferula.__exit__)
        cls.ferula.start()
        cls.t = int(time.time() * 1000) - 20000
        for server in (cls.reference, cls.ferula):
            status, text = remote.write(server, *data(cls.t))
            assert status == 204, text

    def ask(self, params, accept=None, method="GET"):
        """(status, content type, body) of Ferula, which is Prometheus' as well, byte by byte."""
        answers = []
        for server in (self.reference, self.ferula):
            status, headers, body = server.request("/federate", params, method, headers={"Accept": accept} if accept else {})
            answers.append((status, headers["Content-Type"], body))
        self.assertEqual(answers[0], answers[1], (params, accept))
        return answers[1]

    def test_selectors(self):
        for matches in ([], ["a"], ["b", "a", "b"], ["a", '{x="1"}'], ["nothing"], ["stale"], ["old"], ["{}"], ["{}", "a"], ['{x=~".*"}'], [ALL],
                        ["{"], ["a", "rate(a[5m])"], ["many"]):
            self.ask([("match[]", m) for m in matches])

    def test_the_accept_header(self):
        text, om = "text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"
        accepts = [None, "*/*", "text/plain", "text/html", om, text]
        for escaping in ("underscores", "dots", "values", "allow-utf-8", "unknown"):
            accepts += [f"{kind};escaping={escaping}" for kind in (text, om)]
            accepts.append(f"{om};escaping=dots;q=0.5,{text};escaping={escaping};q=0.4,*/*;q=0.1")
        for accept in accepts:
            self.assertEqual(self.ask([("match[]", ALL)], accept)[0], 200)

    def test_protobuf_with_native_histograms(self):
        protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
        for accept in (protobuf + "delimited", protobuf + "delimited;escaping=allow-utf-8", protobuf + "delimited;escaping=values;q=0.6,text/plain;q=0.5",
                       protobuf + "delimited;q=0.4,text/plain;version=0.0.4;q=0.5",
                       # what a Prometheus that takes native histograms sends
                       protobuf + "delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"):
            for matches in (["hist"], ["a"], ["nothing"], [ALL]):
                status, _, body = self.ask([("match[]", m) for m in matches], accept)
                self.assertEqual((status, body == b""), (200, matches == ["nothing"]))

    def test_only_get(self):
        for method in ("POST", "HEAD", "DELETE"):
            status, headers, _ = self.ferula.request("/federate", method=method)
            self.assertEqual((status, "GET" in headers["Allow"]), (405, True))

    def test_a_prometheus_that_scrapes_it_stores_the_same(self):
        config = json.dumps({"scrape_configs": [{
            "job_name": "federation", "honor_labels": True, "metrics_path": "/federate", "params": {"match[]": [ALL]},
            "scrape_interval": "1s", "scrape_timeout": "1s",
            "static_configs": [{"targets": [f"127.0.0.1:{self.ferula.port}"]}]}]})
        with programs.Prometheus(config, "--enable-feature=native-histograms", suite="sid") as scraper:
            deadline = time.monotonic() + 20
            while not scraper.instant("many") and time.monotonic() < deadline:
                time.sleep(0.2)
            at = self.t / 1000 + 1
            for query in ("c_total", "many", 'histogram_count(hist{i="0"})', 'histogram_sum(hist{i="1"})', '{"größe.x"}', "a"):
                asked = ((scraper, query.replace('{"größe.x"}', "gr__e_x")), (self.ferula, query))  # it wants protobuf without UTF-8 names
                theirs, ours = ({tuple(s["metric"].get(name) or None for name in ("n", "x", "instance")): float(s["value"][1])
                                 for s in server.instant(text, time=at)} for server, text in asked)
                self.assertEqual(theirs, ours, query)
                self.assertTrue(ours)


if __name__ == "__main__":
    unittest.main()
