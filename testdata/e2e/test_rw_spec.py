"""The remote-write specifications, 1.0 (April 2023) and 2.0-rc.4, as far as they bind a receiver.

Each test names the sentences it shows: RECEIVER_1 and RECEIVER_2 number the sentences with MUST (and the
SHOULD that Ferula follows) in the order of the documents at prometheus.io/docs/specs/prw, in our words.
What binds senders only is not listed. `test_every_sentence_has_a_test` keeps list and tests together.
"""

import re
import time
import unittest

import programs
import remote

NOW = int(time.time())
T = (NOW - 600) * 1000
V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"

RECEIVER_1 = {
    1: "requests are protobuf messages in the body of a POST",
    2: "timestamps are int64 milliseconds, values float64",
    3: "bodies are snappy blocks, never framed",
    4: "the message is prometheus.WriteRequest in protobuf 3",
    5: "the answer's body is empty (SHOULD)",
    6: "a 1.x receiver reads every 1.x sender",
    7: "label names do not repeat in a series",
    8: "label names are sorted (a sender's duty; receivers meet others)",
    9: "no label name or value is empty",
    10: "a request with invalid samples is answered 400, with a readable message; valid ones may be stored",
    11: "samples of a series come in timestamp order; several requests may be on their way at once",
    12: "2xx when written; 4xx when it can never succeed",
    13: "stale markers are the NaN 0x7ff0000000000002",
}
RECEIVER_2 = {
    1: "receivers support io.prometheus.write.v2.Request",
    2: "bodies are snappy blocks, never framed; receivers support snappy",
    3: "the Content-Type tells the message",
    4: "all data written: 2xx, 204 with an empty body (SHOULD)",
    5: "not all known data written: no 2xx, a readable message, with amounts (SHOULD)",
    6: "written headers on success and on failure, precise, one 64-bit integer each",
    7: "partly written: no 2xx",
    8: "a content type or encoding not supported: 415",
    9: "invalid samples: 400",
    10: "4xx for what can never succeed",
    11: "what a sender may have to repeat can be repeated",
    12: "every 2.x sender is understood",
    13: "timestamps are int64 milliseconds, values float64",
    14: "labels_refs are there, in pairs",
    15: "a series has samples or histograms, not none",
    16: "references point into the symbols",
    17: "label names do not repeat, are not empty; sorted by the sender",
    18: "names and values are any UTF-8",
    19: "start_timestamp 0 is unset; receivers may take series without",
    20: "stale markers are the NaN 0x7ff0000000000002",
}
# Sentence 5 with exemplars: without the feature exemplar-storage their requests are answered 204 all the same, the
# count being 0: a 400 would make senders log and count every batch as failed.


def framed(data):
    """The snappy framing format: stream identifier and one uncompressed chunk."""
    return b"\xff\x06\x00\x00sNaPpY" + b"\x01" + (len(data) + 4).to_bytes(3, "little") + b"\0\0\0\0" + data


class Spec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.Ferula()
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def post(self, body, headers, method="POST"):
        return self.server.request("/api/v1/write", method=method, body=body, headers=headers)

    def values(self, selector):
        return [v for s in self.server.instant(f"{selector}[1h]", time=NOW) for _, v in s["values"]]

    # 1.0

    def test_1_1_post_only(self):
        for method in ("GET", "PUT", "DELETE"):
            status, headers, _ = self.post(None, {}, method)
            self.assertEqual((status, headers["Allow"].find("POST") >= 0), (405, True), method)

    def test_1_2_times_and_values_are_exact(self):
        self.assertEqual(remote.write(self.server, remote.series({"__name__": "exact1"}, [(T + 1, 0.1), (T + 2, -1.7976931348623157e308)]))[0], 204)
        found = self.server.instant("exact1[1h]", time=NOW)[0]["values"]
        self.assertEqual([t for t, _ in found], [(T + 1) / 1000, (T + 2) / 1000])
        self.assertEqual([float(v) for _, v in found], [0.1, -1.7976931348623157e308])

    def test_1_3_and_4_only_snappy_blocks_of_the_message(self):
        message = remote.series({"__name__": "block1"}, [(T, 1)])
        self.assertEqual(self.post(framed(message), remote.HEADERS)[0], 400)
        self.assertEqual(self.post(message, remote.HEADERS)[0], 400)
        self.assertEqual(self.post(remote.snappy(b"\x0a\x05abc"), remote.HEADERS)[0], 400)
        self.assertEqual(self.values("block1"), [])
        self.assertEqual(self.post(remote.snappy(message), remote.HEADERS)[0], 204)

    def test_1_5_and_6_any_later_sender_is_read_and_the_answer_is_empty(self):
        for i, version in enumerate(("0.1.0", "1.0.0", "1.9.7", None)):
            headers = {k: v for k, v in remote.HEADERS.items() if "Version" not in k}
            if version:
                headers["X-Prometheus-Remote-Write-Version"] = version
            message = remote.series({"__name__": "any1"}, [(T + i, i)], remote.field(99, b"of a later 1.x"))
            status, answered, body = self.post(remote.snappy(message + remote.field(98, b"too")), headers)
            self.assertEqual((status, body, remote.written(answered)), (204, b"", None))
        self.assertEqual(self.values("any1"), ["0", "1", "2", "3"])

    def test_1_7_and_9_label_sets(self):
        for labels in ([("__name__", "set1"), ("a", "1"), ("a", "2")], [("__name__", "set1"), ("", "1")]):
            self.assertEqual(remote.write(self.server, remote.series(labels, [(T, 1)]))[0], 400, labels)
        self.assertEqual(remote.write(self.server, remote.series([("__name__", "set1"), ("a", "")], [(T, 1)]))[0], 204)
        self.assertEqual([s["metric"] for s in self.server.instant("set1", time=T / 1000)], [{"__name__": "set1"}])

    def test_1_8_order_of_labels_does_not_matter(self):
        for i, labels in enumerate(([("__name__", "ord1"), ("a", "1")], [("a", "1"), ("__name__", "ord1")])):
            self.assertEqual(remote.write(self.server, remote.series(labels, [(T + i, i)]))[0], 204)
        self.assertEqual(len(self.server.instant("ord1", time=T / 1000 + 1)), 1)

    def test_1_10_and_12_invalid_samples(self):
        remote.write(self.server, remote.series({"__name__": "old1"}, [(T + 5000, 1)]))
        status, text = remote.write(self.server, remote.series({"__name__": "good1"}, [(T, 1)]),
                                    remote.series({"__name__": "old1"}, [(T, 1)]))
        self.assertEqual(status, 400)
        self.assertIn('out of order sample for series {__name__="old1"}', text)
        self.assertEqual(self.values("good1"), ["1"])

    def test_1_11_requests_beside_each_other(self):
        for i in range(20):
            self.assertEqual(remote.write(self.server, *(remote.series({"__name__": "par1", "n": str(n)}, [(T + i, i)]) for n in range(5)))[0], 204)
        self.assertEqual(len(self.values("par1")), 100)

    def test_1_13_stale_markers(self):
        remote.write(self.server, remote.series({"__name__": "stale1"}, [(T, 1), (T + 1000, remote.STALE)]))
        self.assertEqual(self.server.instant("stale1", time=T / 1000 + 2), [])

    # 2.0

    def test_2_1_2_and_4_the_message_in_a_snappy_block(self):
        request = remote.Request2().add({"__name__": "block2"}, [(T, 1)])
        for body in (framed(request.bytes()), request.bytes()):
            status, headers, _ = self.post(body, remote.HEADERS2)
            self.assertEqual((status, remote.written(headers)), (400, (0, 0, 0)))
        self.assertEqual(remote.write2(self.server, request), (204, "", (1, 0, 0)))
        self.assertEqual(self.values("block2"), ["1"])

    def test_2_3_the_content_type_tells_the_message(self):
        one = remote.series({"__name__": "type"}, [(T, 1)])
        two = remote.Request2().add({"__name__": "type", "v": "2"}, [(T, 2)]).bytes()
        kind = "application/x-protobuf"
        for types, message in (((kind, f"{kind};proto={V1}"), one), ((f"{kind};proto={V2}", f"{kind}; proto={V2}"), two)):
            for content_type in types:
                status, _, text = self.post(remote.snappy(message), {**remote.HEADERS, "Content-Type": content_type})
                self.assertEqual(status, 204, text)
        self.assertEqual(len(self.values("type")), 2)

    def test_2_5_6_7_9_and_10_part_of_the_data(self):
        remote.write2(self.server, remote.Request2().add({"__name__": "old2"}, [(T + 5000, 1)]))
        request = remote.Request2().add({"__name__": "good2"}, [(T, 1), (T + 1, 2)]).add({"__name__": "old2"}, [(T, 1)])
        request.add({"__name__": "hist2"}, [], tail=remote.field(3, remote.histogram(T)) + remote.field(3, remote.histogram(T + 1, bad=True)))
        status, text, counts = remote.write2(self.server, request)
        self.assertEqual((status, counts), (400, (2, 1, 0)))
        self.assertIn("2 of 5 samples not stored (1 out of order, 1 invalid native histograms)", text)
        self.assertIn("5 observations found in buckets, but the Count field is 6", text)
        self.assertEqual(self.values("good2"), ["1", "2"])

    def test_2_8_other_types_and_encodings(self):
        body = remote.snappy(remote.Request2().bytes())
        for change in ({"Content-Encoding": "gzip"}, {"Content-Encoding": "lz4"}, {"Content-Type": "application/json"},
                       {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"}):
            self.assertEqual(self.post(body, {**remote.HEADERS2, **change})[0], 415, change)

    def test_2_11_a_request_may_be_repeated(self):
        request = remote.Request2().add({"__name__": "again2"}, [(T, 1)])
        for _ in range(3):
            self.assertEqual(remote.write2(self.server, request), (204, "", (1, 0, 0)))
        self.assertEqual(self.values("again2"), ["1"])

    def test_2_12_later_senders(self):
        request = remote.Request2().add({"__name__": "later2"}, [(T, 1)], tail=remote.field(99, b"x"))
        headers = {**remote.HEADERS2, "X-Prometheus-Remote-Write-Version": "2.7.0"}
        self.assertEqual(remote.write2(self.server, request.bytes() + remote.field(77, b"x"), headers)[0], 204)

    def test_2_13_and_2_19_times_values_and_starts(self):
        request = remote.Request2().add({"__name__": "exact2"}, [(T + 1, 0.1), (T + 2, 0.2), (T + 3, 0.3)], starts=[0, T, -1])
        self.assertEqual(remote.write2(self.server, request), (204, "", (3, 0, 0)))
        self.assertEqual(self.server.instant("exact2[1h]", time=NOW)[0]["values"],
                         [[(T + 1) / 1000, "0.1"], [(T + 2) / 1000, "0.2"], [(T + 3) / 1000, "0.3"]])

    def test_2_14_15_and_16_what_names_no_series(self):
        for refs, samples in (([], [(T, 1, 0)]), ([1], [(T, 1, 0)]), ([1, 2, 1], [(T, 1, 0)]), ([1, 3], [(T, 1, 0)]), ([1, 2], [])):
            request = remote.Request2()
            request.ref("__name__"), request.ref("named2")
            status, text, counts = remote.write2(self.server, request.add_refs(refs, samples))
            self.assertEqual((status, counts), (400, (0, 0, 0)), (refs, text))
        self.assertEqual(self.values("named2"), [])

    def test_2_17_label_sets(self):
        for labels in ([("__name__", "set2"), ("a", "1"), ("a", "2")], [("__name__", "set2"), ("", "1")]):
            self.assertEqual(remote.write2(self.server, remote.Request2().add(labels, [(T, 1)]))[0], 400, labels)
        unsorted = remote.Request2().add([("z", "1"), ("__name__", "set2"), ("empty", "")], [(T, 1)])
        self.assertEqual(remote.write2(self.server, unsorted)[0], 204)
        self.assertEqual([s["metric"] for s in self.server.instant("set2", time=T / 1000)], [{"__name__": "set2", "z": "1"}])

    def test_2_18_any_text(self):
        labels = {"__name__": "größe.von", "wo liegt es?": "Köln ☃"}
        self.assertEqual(remote.write2(self.server, remote.Request2().add(labels, [(T, 1)]))[0], 204)
        self.assertEqual(self.server.instant('{"größe.von"}', time=T / 1000)[0]["metric"], labels)
        broken = b"".join(remote.field(4, s) for s in (b"", b"__name__", b"bad\xff")) + remote.Request2().add_refs([1, 2], [(T, 1, 0)]).fields
        self.assertEqual(remote.write2(self.server, broken)[::2], (400, (0, 0, 0)))

    def test_2_20_stale_markers(self):
        remote.write2(self.server, remote.Request2().add({"__name__": "stale2"}, [(T, 1), (T + 1000, remote.STALE)]))
        self.assertEqual(self.server.instant("stale2", time=T / 1000 + 2), [])

    def test_every_sentence_has_a_test(self):
        shown = {1: set(), 2: set()}
        for name in dir(self):
            found = re.match(r"test_([12])_(\d.*)", name)
            if found:
                for part in re.findall(r"(?:^|_)(\d+)(?=_|$)", found[2]):
                    shown[int(found[1])].add(int(part))
        self.assertEqual(set(RECEIVER_1) - shown[1], set())
        self.assertEqual(set(RECEIVER_2) - shown[2], set())


class TypeAndUnit(unittest.TestCase):
    def test_metadata_becomes_labels(self):
        """--enable-feature=type-and-unit-labels, as Prometheus from 3.6 on has it for 2.0 (3.5: when scraping only)."""
        with programs.Ferula("--enable-feature=type-and-unit-labels") as server:
            request = remote.Request2()
            for i in range(9):
                request.add({"__name__": "typed", "i": str(i)}, [(T, i)], kind=i, unit="seconds" if i % 2 else "")
            mine = {"__name__": "typed", "__type__": "mine", "__unit__": "mine"}
            request.add({**mine, "i": "own"}, [(T, 1)])
            request.add({**mine, "i": "other"}, [(T, 1)], kind=1)
            request.add({"__name__": "typed", "i": "help"}, [(T, 1)], text="Just help.")
            self.assertEqual(remote.write2(server, request)[0], 204)
            self.assertEqual(remote.write2(server, request)[0], 204)
            told = {s["metric"]["i"]: (s["metric"].get("__type__"), s["metric"].get("__unit__")) for s in server.instant("typed", time=T / 1000)}
            self.assertEqual(told, {
                "0": (None, None), "1": ("counter", "seconds"), "2": ("gauge", None), "3": ("histogram", "seconds"), "4": ("gaugehistogram", None),
                "5": ("summary", "seconds"), "6": ("info", None), "7": ("stateset", "seconds"), "8": (None, None),
                "own": ("mine", "mine"), "other": ("counter", None), "help": (None, None)})
            self.assertEqual(sorted(s["metric"]["i"] for s in server.instant("typed * 2", time=T / 1000)), sorted(told))
            self.assertTrue(all(list(s["metric"]) == ["i"] for s in server.instant("typed * 2", time=T / 1000)))


if __name__ == "__main__":
    unittest.main()
