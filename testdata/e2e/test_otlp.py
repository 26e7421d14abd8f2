"""OTLP over HTTP: protobuf, JSON and gzip give the same series; what the configuration says of their names; the
answers of the protocol. (Debian's Prometheus is built without OTLP: what to expect stands here.)"""

import gzip
import json
import tempfile
import time
import unittest

import otlp
import programs
from otlp import counter, exponential, gauge, histogram, point, request, resource, summary

PATH = "/api/v1/otlp/v1/metrics"
NOW = int(time.time()) * 1000 - 60_000
PROTOBUF, JSON = {"Content-Type": "application/x-protobuf"}, {"Content-Type": "application/json"}
SERVICE = {"service.name": "shop", "service.namespace": "web", "service.instance.id": "i-1", "host.name": "h"}


def histogram_point(labels=()):
    return {"timeUnixNano": str(NOW * 1_000_000), "count": "6", "sum": 10.25, "bucketCounts": ["1", "2", "3"],
            "explicitBounds": [0.5, 10], "attributes": otlp.attributes(labels)}


ONE_OF_EACH = request(resource(
    SERVICE,
    gauge("cpu.load", [point(NOW, 0.25, {"cpu.id": 3}), point(NOW + 1000, 0.5, {"cpu.id": 3})], "1", "The load."),
    counter("http.requests", [point(NOW, 7, {"method": "GET"})], "{request}"),
    histogram("http.duration", [histogram_point({"method": "GET"})], "s"),
    summary("rpc.size", [{"timeUnixNano": str(NOW * 1_000_000), "count": "3", "sum": 1.5,
                          "quantileValues": [{"quantile": 0.99, "value": 9}]}], "By"),
    scope={"name": "lib", "version": "2"}))

OURS = {"job": "web/shop", "instance": "i-1"}


def named(name, values, **labels):
    return tuple(sorted({"__name__": name, **OURS, **labels}.items())), [[(NOW + i * 1000) / 1000, v] for i, v in enumerate(values)]


EXPECTED = dict([
    named("cpu_load_ratio", ["0.25", "0.5"], cpu_id="3"),
    named("http_requests_total", ["7"], method="GET"),
    named("http_duration_seconds_sum", ["10.25"], method="GET"),
    named("http_duration_seconds_count", ["6"], method="GET"),
    named("http_duration_seconds_bucket", ["1"], method="GET", le="0.5"),
    named("http_duration_seconds_bucket", ["3"], method="GET", le="10"),
    named("http_duration_seconds_bucket", ["6"], method="GET", le="+Inf"),
    named("rpc_size_bytes_sum", ["1.5"]),
    named("rpc_size_bytes_count", ["3"]),
    named("rpc_size_bytes", ["9"], quantile="0.99"),
    named("target_info", ["1", "1"], host_name="h"),
])


def varint_of(data):
    """The number the bytes begin with, and what is behind it."""
    value = shift = 0
    for i, byte in enumerate(data):
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, data[i + 1:]
    raise AssertionError(f"no number: {data}")


def message_of(headers, body):
    """{field: number or bytes} of a protobuf answer, the object of one in JSON."""
    if headers["Content-Type"] == "application/json":
        return json.loads(body)
    fields = {}
    while body:
        tag, body = varint_of(body)
        fields[tag >> 3], body = varint_of(body)
        if tag & 7 == 2:
            n = fields[tag >> 3]
            fields[tag >> 3], body = body[:n], body[n:]
    return fields


def why(headers, body):
    """The text of a Status."""
    message = message_of(headers, body)
    return message["message"] if "message" in message else message[2].decode()


def everything(server):
    answer = server.instant('{__name__=~".+"}[1h]', time=NOW / 1000 + 120)
    return {tuple(sorted(s["metric"].items())): s["values"] for s in answer}


class Server(programs.Ferula):
    """Ferula with the receiver and a section otlp."""

    def __init__(self, *flags, **section):
        self._config = tempfile.NamedTemporaryFile("w", suffix=".yml")
        self.configure(**section)
        super().__init__("--web.enable-otlp-receiver", "--web.enable-lifecycle", f"--config.file={self._config.name}", *flags)

    def configure(self, **section):
        self._config.seek(0)
        self._config.truncate()
        json.dump({"otlp": section}, self._config)
        self._config.flush()

    def send(self, body, headers, **more):
        return self.request(PATH, method="POST", body=body, headers={**headers, **more})


class Receiving(unittest.TestCase):
    maxDiff = 4000

    def check(self, body, headers, answer):
        with Server() as server:
            status, got, text = server.send(body, headers)
            self.assertEqual((200, answer, headers["Content-Type"]), (status, text, got["Content-Type"]))
            self.assertEqual(EXPECTED, everything(server))

    def test_protobuf(self):
        self.check(otlp.encode(otlp.REQUEST, ONE_OF_EACH), PROTOBUF, b"")

    def test_json(self):
        self.check(json.dumps(ONE_OF_EACH).encode(), JSON, b"{}")

    def test_gzip(self):
        packed = gzip.compress(otlp.encode(otlp.REQUEST, ONE_OF_EACH))
        self.check(packed, {**PROTOBUF, "Content-Encoding": "gzip"}, b"")

    def test_twice_and_through_a_kill_it_is_stored_once(self):
        with Server() as server:
            for _ in range(2):
                self.assertEqual(200, server.send(otlp.encode(otlp.REQUEST, ONE_OF_EACH), PROTOBUF)[0])
            server.kill()
            server.start()
            self.assertEqual(200, server.send(json.dumps(ONE_OF_EACH).encode(), JSON)[0])
            self.assertEqual(EXPECTED, everything(server))

    def test_metadata(self):
        with Server() as server:
            server.send(otlp.encode(otlp.REQUEST, ONE_OF_EACH), PROTOBUF)
            metadata = server.api("metadata")
            self.assertEqual([{"type": "gauge", "help": "The load.", "unit": "1"}], metadata["cpu_load_ratio"])
            self.assertEqual("histogram", metadata["http_duration_seconds"][0]["type"])

    def test_type_and_unit_as_labels(self):
        """Two metrics of a name that differ in unit alone are two series, known ones as new ones, through a kill."""
        body = otlp.encode(otlp.REQUEST, request(resource({}, gauge("t", [point(NOW, 1)], "s"), gauge("t", [point(NOW, 2)], "ms"))))
        with Server("--enable-feature=type-and-unit-labels", translation_strategy="NoTranslation") as server:
            for turn in range(2):
                self.assertEqual(200, server.send(body, PROTOBUF)[0])
                self.assertEqual({("gauge", "seconds", "1"), ("gauge", "milliseconds", "2")},
                                 {(s["metric"]["__type__"], s["metric"]["__unit__"], s["value"][1]) for s in server.instant("t", time=NOW / 1000)})
                if turn == 0:
                    server.kill()
                    server.start()


class Native(unittest.TestCase):
    """Exponential histograms, and classic ones when they are to be converted."""

    def check(self, metric, expected, **section):
        body = request(resource({}, metric))
        for send in (lambda s: s.send(otlp.encode(otlp.REQUEST, body), PROTOBUF), lambda s: s.send(json.dumps(body).encode(), JSON)):
            with Server(**section) as server:
                self.assertEqual(200, send(server)[0])
                server.kill()
                server.start()
                for query, answer in expected.items():
                    got = server.instant(query, time=NOW / 1000)
                    self.assertEqual([answer], [s.get("histogram", s.get("value"))[1] for s in got], query)

    def test_exponential(self):
        self.check(exponential("e.e", [{"timeUnixNano": str(NOW * 1_000_000), "count": "11", "sum": 7.5, "scale": 0, "zeroCount": "2",
                                        "zeroThreshold": 0.25, "positive": {"offset": 0, "bucketCounts": ["1", "0", "3"]},
                                        "negative": {"offset": -1, "bucketCounts": ["5"]}}], "s"),
                   {"e_e_seconds": {"count": "11", "sum": "7.5", "buckets": [[1, "-1", "-0.5", "5"], [3, "-0.25", "0.25", "2"],
                                                                             [0, "1", "2", "1"], [0, "4", "8", "3"]]},
                    "histogram_count(e_e_seconds)": "11", "histogram_fraction(4, 8, e_e_seconds)": "0.2727272727272727"})

    def test_custom(self):
        self.check(histogram("h", [histogram_point()], "s"),
                   {"h_seconds": {"count": "6", "sum": "10.25", "buckets": [[3, "-Inf", "0.5", "1"], [0, "0.5", "10", "2"], [0, "10", "+Inf", "3"]]}},
                   convert_histograms_to_nhcb=True)


class Exemplars(unittest.TestCase):
    @staticmethod
    def exemplar(v, t=NOW, **more):
        return {"timeUnixNano": str(t * 1_000_000), "asDouble": v, **more}

    def test_each_kind(self):
        trace = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}
        classic = {**histogram_point({"k": "v"}), "exemplars": [self.exemplar(5, **trace), self.exemplar(50, NOW + 1)]}
        body = request(resource(
            {}, counter("c", [point(NOW, 1, exemplars=[self.exemplar(3, filteredAttributes=otlp.attributes({"user": "u"}))])]),
            histogram("h", [classic]),
            exponential("e", [{"timeUnixNano": str(NOW * 1_000_000), "count": "1", "zeroCount": "1", "exemplars": [
                self.exemplar(0.5, filteredAttributes=otlp.attributes({"long": "x" * 100}), **trace)]}])))
        ids = {"trace_id": trace["traceId"], "span_id": trace["spanId"]}
        expected = {
            "c_total": [({"__name__": "c_total"}, [({"user": "u"}, "3")])],
            "h_bucket": [({"__name__": "h_bucket", "k": "v", "le": "+Inf"}, [({}, "50")]),
                         ({"__name__": "h_bucket", "k": "v", "le": "10"}, [(ids, "5")])],
            "e": [({"__name__": "e"}, [(ids, "0.5")])],
        }
        for send in (lambda s: s.send(otlp.encode(otlp.REQUEST, body), PROTOBUF), lambda s: s.send(json.dumps(body).encode(), JSON)):
            with Server("--enable-feature=exemplar-storage") as server:
                self.assertEqual(200, send(server)[0])
                for query, answer in expected.items():
                    got = server.api("query_exemplars", query=query, start=NOW / 1000 - 1, end=NOW / 1000 + 1)
                    got = sorted(((s["seriesLabels"], [(e["labels"], e["value"]) for e in s["exemplars"]]) for s in got), key=str)
                    self.assertEqual(sorted(answer, key=str), got, query)


class Configuration(unittest.TestCase):
    BODY = otlp.encode(otlp.REQUEST, request(resource(
        {**SERVICE, "zone": "z"}, counter("a.b", [point(NOW, 1, {"x.y": "1", "zone": "mine"})], "s"),
        scope={"name": "lib", "version": "2", "attributes": otlp.attributes({"k": "v"})})))

    def series(self, **section):
        with Server(**section) as server:
            self.assertEqual(200, server.send(self.BODY, PROTOBUF)[0])
            found = [dict(s) for s in everything(server)]
            target = [s for s in found if s["__name__"] == "target_info"]
            point_series = [s for s in found if s["__name__"] != "target_info"]
            self.assertEqual((1, 1), (len(target), len(point_series)))
            return point_series[0], target[0]

    def test_names(self):
        for strategy, name, label in [("UnderscoreEscapingWithSuffixes", "a_b_seconds_total", "x_y"),
                                      ("UnderscoreEscapingWithoutSuffixes", "a_b", "x_y"),
                                      ("NoUTF8EscapingWithSuffixes", "a.b_seconds_total", "x.y"),
                                      ("NoTranslation", "a.b", "x.y")]:
            with self.subTest(strategy):
                got, _ = self.series(translation_strategy=strategy)
                self.assertEqual({"__name__": name, label: "1", "zone": "mine", **OURS}, got)

    def test_promotion(self):
        got, _ = self.series(promote_resource_attributes=["host.name", "zone"])
        self.assertEqual({"__name__": "a_b_seconds_total", "x_y": "1", "zone": "mine", "host_name": "h", **OURS}, got)
        got, _ = self.series(promote_all_resource_attributes=True, ignore_resource_attributes=["host.name", "service.name"])
        self.assertEqual({"__name__": "a_b_seconds_total", "x_y": "1", "zone": "mine", "service_namespace": "web",
                          "service_instance_id": "i-1", **OURS}, got)

    def test_scope(self):
        got, _ = self.series(promote_scope_metadata=True)
        self.assertEqual({"__name__": "a_b_seconds_total", "x_y": "1", "zone": "mine", "otel_scope_name": "lib", "otel_scope_version": "2",
                          "otel_scope_schema_url": "http://schema/1", "otel_scope_k": "v", **OURS}, got)

    def test_target_info(self):
        _, target = self.series()
        self.assertEqual({"__name__": "target_info", "host_name": "h", "zone": "z", **OURS}, target)
        _, target = self.series(keep_identifying_resource_attributes=True)
        self.assertEqual({"__name__": "target_info", "host_name": "h", "zone": "z", "service_name": "shop", "service_namespace": "web",
                          "service_instance_id": "i-1", **OURS}, target)

    def test_reload(self):
        with Server() as server:
            server.send(self.BODY, PROTOBUF)
            server.configure(translation_strategy="NoTranslation")
            self.assertEqual(200, server.request("/-/reload", method="POST")[0])
            server.send(self.BODY, PROTOBUF)
            names = {dict(s)["__name__"] for s in everything(server)}
            self.assertEqual({"a_b_seconds_total", "a.b", "target_info"}, names)

    def test_contradictions_are_refused_at_the_start(self):
        for section, word in [({"promote_all_resource_attributes": True, "promote_resource_attributes": ["a"]}, "simultaneously"),
                              ({"ignore_resource_attributes": ["a"]}, "can only be configured if"),
                              ({"promote_resource_attributes": ["a", "a"]}, "duplicated promoted OTel resource attribute")]:
            with self.subTest(word), self.assertRaises(AssertionError) as raised:
                with Server(**section):
                    pass
            self.assertIn(word, str(raised.exception))


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def test_what_is_off_says_so(self):
        with programs.Ferula() as server:
            status, _, text = server.request(PATH, method="POST", body=b"", headers=PROTOBUF)
            self.assertEqual((404, b"otlp write receiver needs to be enabled with --web.enable-otlp-receiver\n"), (status, text))

    def answer(self, body, headers, **more):
        """(status, the Status' text), in the form of the request."""
        status, got, text = self.server.send(body, headers, **more)
        self.assertEqual(headers["Content-Type"], got["Content-Type"])
        return status, why(got, text)

    def test_headers(self):
        status, got, text = self.server.send(b"x", {"Content-Type": "text/plain"})
        self.assertEqual((400, b"unsupported content type: text/plain, supported: [application/json, application/x-protobuf]\n"), (status, text))
        for headers in (PROTOBUF, JSON):
            self.assertEqual((400, 'unsupported compression: br. Only "gzip" or no compression supported'),
                             self.answer(b"x", headers, **{"Content-Encoding": "br"}))
            self.assertEqual((400, "gzip: incorrect header check"), self.answer(b"xy", headers, **{"Content-Encoding": "gzip"}))
        for content_type, body in (("Application/X-Protobuf", b""), ("application/json; charset=utf-8", b"{}")):
            status, got, text = self.server.send(gzip.compress(body), {"Content-Type": content_type, "Content-Encoding": "GZIP"})
            self.assertEqual((200, body, content_type.partition(";")[0].lower()), (status, text, got["Content-Type"]))

    def test_malformed(self):
        body = otlp.encode(otlp.REQUEST, ONE_OF_EACH)
        self.assertEqual((400, "proto: malformed ExportMetricsServiceRequest in the field at byte 0"), self.answer(body[:-3], PROTOBUF))
        self.assertEqual((400, "json: a list is expected at byte 20"), self.answer(b'{"resourceMetrics": 3}', JSON))

    def test_too_large(self):
        body = gzip.compress(bytes(33 << 20))
        for headers in (PROTOBUF, JSON):
            self.assertEqual((413, "gzip: decoded length is above the limit of 33554432 bytes"), self.answer(body, headers, **{"Content-Encoding": "gzip"}))
        # Numbers of JSON may take four times as much in protobuf.
        counts = ",".join(["0"] * 5_000_000)
        body = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"h","histogram":{"dataPoints":[{"bucketCounts":[%s]}]}}]}]}]}' % counts
        self.assertEqual(400, self.answer(body.encode(), JSON)[0])

    def test_an_empty_request_is_a_success(self):
        self.assertEqual((200, b""), self.server.send(b"", PROTOBUF)[::2])
        self.assertEqual((200, b"{}"), self.server.send(b"{}", JSON)[::2])

    def test_nothing_of_the_request_can_be_stored(self):
        delta = request(resource({}, counter("delta", [point(NOW, 1), point(NOW + 1, 2)], temporality=1)))
        for body, headers in ((json.dumps(delta).encode(), JSON), (otlp.encode(otlp.REQUEST, delta), PROTOBUF)):
            self.assertEqual((400, 'invalid temporality and type combination for metric "delta"'), self.answer(body, headers))

    def test_part_of_the_request_can_be_stored(self):
        late = NOW + 3600_000 * 24
        body = request(resource({}, counter("delta2", [point(NOW, 1), point(NOW + 1, 2)], temporality=1),
                                gauge("good", [point(NOW, 1)]), gauge("late", [point(late, 1)])))
        reasons = ('invalid temporality and type combination for metric "delta2"\n'
                   'out of bounds: timestamp is too far in the future for series {__name__="late"}')
        status, got, text = self.server.send(json.dumps(body).encode(), JSON)
        self.assertEqual((200, {"partialSuccess": {"rejectedDataPoints": "3", "errorMessage": reasons}}), (status, message_of(got, text)))
        status, got, text = self.server.send(otlp.encode(otlp.REQUEST, body), PROTOBUF)
        partial = message_of(got, text)
        self.assertEqual((200, {1: 3, 2: reasons.encode()}), (status, message_of(got, partial[1])))
        self.assertEqual(["1"], [s["value"][1] for s in self.server.instant("good", time=NOW / 1000)])

    def test_what_is_refused_is_counted_in_points(self):
        """Not in series that they become, nor those of target_info."""
        late = NOW + 3600_000 * 24
        at = {"timeUnixNano": str(late * 1_000_000)}
        native = {**at, "count": "1", "zeroCount": "1"}
        body = request(resource(
            SERVICE, histogram("hc", [{**histogram_point(), **at}, {**histogram_point({"k": "v"}), **at}, histogram_point()]),
            summary("sc", [{**at, "count": "3", "sum": 1.5, "quantileValues": [{"quantile": 0.5, "value": 9}]}]),
            gauge("gc", [point(NOW, 1), point(late, 1), point(late + 1, 1)]), exponential("ec", [native, native])))
        status, got, text = self.server.send(json.dumps(body).encode(), JSON)
        self.assertEqual((200, "7"), (status, message_of(got, text)["partialSuccess"]["rejectedDataPoints"]))
        self.assertEqual(1, len(self.server.instant("hc_count", time=NOW / 1000)))

    def test_what_may_succeed_later(self):
        with Server() as server:
            for fail, expected in ((True, 503), (False, 200)):
                server.fail_writes(fail)
                for body, headers in ((json.dumps(ONE_OF_EACH).encode(), JSON), (otlp.encode(otlp.REQUEST, ONE_OF_EACH), PROTOBUF)):
                    status, got, text = server.send(body, headers)
                    self.assertEqual((expected, "5" if fail else None, headers["Content-Type"]), (status, got["Retry-After"], got["Content-Type"]))
                    if fail:
                        self.assertEqual("the write-ahead log could not be written: the request is not durable yet", why(got, text))
            self.assertEqual(EXPECTED, everything(server))


def delta_of(k, t):
    """A request of a second: a sum, a classic and an exponential histogram."""
    classic = {**histogram_point(), "timeUnixNano": str(t * 1_000_000)}
    native = {"timeUnixNano": str(t * 1_000_000), "count": "4", "sum": 2.5, "scale": 0, "zeroCount": "1",
              "positive": {"offset": k % 2, "bucketCounts": ["1", "2"]}}
    return request(resource({}, counter("d.sum", [point(t, k)], temporality=1), histogram("d.classic", [classic], temporality=1),
                            exponential("d.native", [native], temporality=1)))


class Delta(unittest.TestCase):
    """Points of delta temporality, by feature."""

    def values(self, server, query):
        return [s.get("histogram", s.get("value"))[1] for s in server.instant(query, time=(NOW + 3000) / 1000)]

    def send(self, server):
        for k in range(1, 4):
            for _ in range(2):  # sent again it is not added again
                status, _, text = server.send(otlp.encode(otlp.REQUEST, delta_of(k, NOW + k * 1000)), PROTOBUF)
                self.assertEqual((200, b""), (status, text))

    def test_added_up(self):
        with Server("--enable-feature=otlp-deltatocumulative") as server:
            self.send(server)
            self.assertEqual(["1", "3", "6"], [v for _, v in server.instant("d_sum_total[10s]", time=(NOW + 3000) / 1000)[0]["values"]])
            self.assertEqual((["18"], ["30.75"]), (self.values(server, "d_classic_count"), self.values(server, "d_classic_sum")))
            self.assertEqual(["3", "9", "18"], sorted(self.values(server, "d_classic_bucket"), key=int))
            native = self.values(server, "d_native")[0]
            self.assertEqual(("12", "7.5"), (native["count"], native["sum"]))
            self.assertEqual([["1", "2", "1"], ["2", "4", "4"], ["4", "8", "4"]], [b[1:] for b in native["buckets"][1:]])
            self.assertEqual("counter", server.api("metadata")["d_sum_total"][0]["type"])
            status, _, text = server.send(json.dumps(delta_of(1, NOW)).encode(), JSON)
            self.assertEqual(400, status)
            self.assertIn(b"older than the newest", text)

    def test_as_they_are(self):
        with Server("--enable-feature=otlp-native-delta-ingestion") as server:
            self.send(server)
            self.assertEqual(["1", "2", "3"], [v for _, v in server.instant("d_sum_total[10s]", time=(NOW + 3000) / 1000)[0]["values"]])
            self.assertEqual(["6"], self.values(server, "d_classic_count"))
            self.assertEqual("4", self.values(server, "d_native")[0]["count"])
            answer = json.loads(server.request("/api/v1/query", [("query", "rate(d_native[10s])"), ("time", (NOW + 3000) / 1000)])[2])
            self.assertIn("this native histogram metric is not a counter", str(answer["warnings"]))  # they are stored as gauges
            self.assertEqual("unknown", server.api("metadata")["d_sum_total"][0]["type"])

    def test_not_both(self):
        with self.assertRaisesRegex(AssertionError, "cannot enable otlp-deltatocumulative and otlp-native-delta-ingestion features at the same time"):
            Server("--enable-feature=otlp-deltatocumulative,otlp-native-delta-ingestion").start()


if __name__ == "__main__":
    unittest.main()
