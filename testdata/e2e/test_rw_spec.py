"""The remote-write specifications, 1.0 (April 2023) and 2.0-rc.4, as far as they bind a receiver or say what a message is:
each test names the sentences it shows, by their numbers in docs/remote-write.md.
"""

import os
import re
import struct
import time
import unittest

import programs
import remote

NOW = int(time.time())
T = (NOW - 600) * 1000
V1, V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
PROTOBUF = "application/x-protobuf"
NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0]


def sentences():
    """{1: numbers of the sentences of 1.0 to be shown, 2: of 2.0}."""
    ret, version = {1: set(), 2: set()}, 0
    with open(os.path.join(programs.ROOT, "docs", "remote-write.md"), encoding="utf-8") as file:
        for line in file:
            if heading := re.match(r"## (?:([12])\.0)?", line):
                version = int(heading[1] or 0)
            elif row := re.match(r"\| (\d+) \| (\w+) \|", line):
                if row[2] in ("receiver", "message"):
                    ret[version].add(int(row[1]))
    return ret


def framed(data):
    """The snappy framing format: stream identifier and one uncompressed chunk."""
    return b"\xff\x06\x00\x00sNaPpY" + b"\x01" + (len(data) + 4).to_bytes(3, "little") + b"\0\0\0\0" + data


class Spec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.Ferula("--enable-feature=exemplar-storage")
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def post(self, body, headers, method="POST"):
        return self.server.request("/api/v1/write", method=method, body=body, headers=headers)

    def write(self, labels, *samples):
        return remote.write(self.server, remote.series(labels, samples))

    def write2(self, labels, *samples, **more):
        return remote.write2(self.server, remote.Request2().add(labels, samples, **more))

    def values(self, selector):
        return [v for s in self.server.instant(f"{selector}[1h]", time=NOW) for _, v in s["values"]]

    # 1.0

    def test_1_3_post_only(self):
        for method in ("GET", "PUT", "DELETE"):
            status, headers, _ = self.post(None, {}, method)
            self.assertEqual((status, headers["Allow"].find("POST") >= 0), (405, True), method)

    def test_1_4_and_5_times_and_values_are_exact(self):
        self.assertEqual(self.write({"__name__": "exact1"}, (T + 1, 0.1), (T + 2, -1.7976931348623157e308))[0], 204)
        found = self.server.instant("exact1[1h]", time=NOW)[0]["values"]
        self.assertEqual([t for t, _ in found], [(T + 1) / 1000, (T + 2) / 1000])
        self.assertEqual([float(v) for _, v in found], [0.1, -1.7976931348623157e308])

    def test_1_2_8_9_and_10_only_snappy_blocks_of_the_message(self):
        message = remote.series({"__name__": "block1"}, [(T, 1)])
        self.assertEqual(self.post(framed(message), remote.HEADERS)[0], 400)
        self.assertEqual(self.post(message, remote.HEADERS)[0], 400)
        self.assertEqual(self.post(remote.snappy(b"\x0a\x05abc"), remote.HEADERS)[0], 400)
        self.assertEqual(self.values("block1"), [])
        self.assertEqual(self.post(remote.snappy(message), remote.HEADERS)[0], 204)

    def test_1_12_and_28_any_sender_is_read_and_the_answer_is_empty(self):
        for i, version in enumerate(("0.1.0", "1.0.0", "1.9.7", None)):
            headers = {k: v for k, v in remote.HEADERS.items() if "Version" not in k}
            if version:
                headers["X-Prometheus-Remote-Write-Version"] = version
            message = remote.series({"__name__": "any1"}, [(T + i, i)], remote.field(99, b"of a later 1.x"))
            status, answered, body = self.post(remote.snappy(message + remote.field(98, b"too")), headers)
            self.assertEqual((status, body, remote.written(answered)), (204, b"", None))
        self.assertEqual(self.values("any1"), ["0", "1", "2", "3"])

    def test_1_14_an_empty_request(self):
        self.assertEqual(remote.write(self.server), (204, ""))

    def test_1_16_each_sample_with_all_its_labels(self):
        self.assertEqual(self.write({"__name__": "all1", "a": "1"}, (T, 1))[0], 204)
        for labels in ({}, {"a": "1"}):
            status, text = self.write(labels, (T + 1, 2))
            self.assertEqual(status, 400)
            self.assertIn("invalid metric name or labels", text)
        self.assertEqual(self.values("all1"), ["1"])

    def test_1_17_and_19_label_sets(self):
        for labels, why in (([("__name__", "set1"), ("a", "1"), ("a", "2")], "duplicated label a"), ([("__name__", "set1"), ("", "1")], "invalid")):
            status, text = self.write(labels, (T, 1))
            self.assertEqual(status, 400, labels)
            self.assertIn(why, text)
        self.assertEqual(self.write([("__name__", "set1"), ("a", "")], (T, 1))[0], 204)
        self.assertEqual([s["metric"] for s in self.server.instant("set1", time=T / 1000)], [{"__name__": "set1"}])

    def test_1_18_order_of_labels_does_not_matter(self):
        for i, labels in enumerate(([("__name__", "ord1"), ("a", "1")], [("a", "1"), ("__name__", "ord1")])):
            self.assertEqual(self.write(labels, (T + i, i))[0], 204)
        self.assertEqual(len(self.server.instant("ord1", time=T / 1000 + 1)), 1)

    def test_1_20_21_and_22_names(self):
        for name in ("a:b_9", "größe.von"):
            self.assertEqual(self.write({"__name__": name, "_x9": "v", "wo liegt es?": "Köln ☃"}, (T, 1))[0], 204)
            self.assertEqual(len(self.server.instant('{"%s","wo liegt es?"="Köln ☃"}' % name, time=T / 1000)), 1)
        for pair in ((b"__name__", b"bad\xff"), (b"a", b"bad\xff"), (b"bad\xff", b"a")):
            labels = remote.field(1, remote.field(1, pair[0]) + remote.field(2, pair[1]))
            if pair[0] != b"__name__":
                labels = remote.label("__name__", "utf1") + labels
            self.assertEqual(remote.write(self.server, remote.field(1, labels + remote.sample(T, 1)))[0], 400, pair)
        self.assertEqual(self.values("utf1"), [])

    def test_1_23_25_and_30_invalid_samples(self):
        self.write({"__name__": "old1"}, (T + 5000, 1))
        status, text = remote.write(self.server, remote.series({"__name__": "good1"}, [(T, 1)]), remote.series({"__name__": "old1"}, [(T, 1)]))
        self.assertEqual(status, 400)
        self.assertIn('out of order sample for series {__name__="old1"}', text)
        self.assertEqual(self.values("good1"), ["1"])
        for i in range(20):
            self.assertEqual(remote.write(self.server, *(remote.series({"__name__": "par1", "n": str(n)}, [(T + i, i)]) for n in range(5)))[0], 204)
        self.assertEqual(len(self.values("par1")), 100)

    def test_1_32_and_33_stale_markers(self):
        self.write({"__name__": "stale1"}, (T, 1), (T + 1000, remote.STALE))
        self.assertEqual(self.server.instant("stale1", time=T / 1000 + 2), [])
        self.write({"__name__": "nan1"}, (T, 1), (T + 1000, NAN))
        self.assertEqual(self.server.instant("nan1", time=T / 1000 + 2)[0]["value"][1], "NaN")

    # 2.0

    def test_2_1_3_4_5_6_12_and_19_the_message_in_a_snappy_block(self):
        request = remote.Request2().add({"__name__": "block2"}, [(T, 1)])
        for body in (framed(request.bytes()), request.bytes(), remote.snappy(b'{"symbols": [""], "timeseries": []}')):
            status, headers, _ = self.post(body, remote.HEADERS2)
            self.assertEqual((status, remote.written(headers)), (400, (0, 0, 0)))
        self.assertEqual(remote.write2(self.server, request), (204, "", (1, 0, 0)))
        self.assertEqual(self.values("block2"), ["1"])

    def test_2_7_post_only(self):
        for method in ("GET", "PUT", "DELETE"):
            self.assertEqual(self.post(None, remote.HEADERS2, method)[0], 405, method)

    def test_2_2_13_15_and_16_the_content_type_tells_the_message(self):
        one = remote.series({"__name__": "type"}, [(T, 1)])
        two = remote.Request2().add({"__name__": "type", "v": "2"}, [(T, 2)]).bytes()
        of_one = (PROTOBUF, f"{PROTOBUF};proto={V1}", f"Application/X-Protobuf; Proto={V1}")
        of_two = (f"{PROTOBUF};proto={V2}", f"{PROTOBUF}; proto={V2}", f'{PROTOBUF} ;charset=utf-8 ; PROTO="{V2}"')
        for types, message, counts in ((of_one, one, None), (of_two, two, (1, 0, 0))):
            for content_type in types:
                status, answered, text = self.post(remote.snappy(message), {**remote.HEADERS, "Content-Type": content_type})
                self.assertEqual((status, remote.written(answered)), (204, counts), (content_type, text))
        self.assertEqual(len(self.values("type")), 2)

    def test_2_10_names_of_encodings_have_no_case(self):
        body = remote.snappy(remote.Request2().add({"__name__": "coding"}, [(T, 1)]).bytes())
        self.assertEqual(self.post(body, {**remote.HEADERS2, "Content-Encoding": "Snappy"})[0], 204)

    def test_2_21_22_24_25_26_29_31_32_and_52_part_of_the_data(self):
        self.write2({"__name__": "old2"}, (T + 5000, 1))
        request = remote.Request2().add({"__name__": "good2"}, [(T, 1), (T + 1, 2)]).add({"__name__": "old2"}, [(T, 1)])
        request.add({"__name__": "hist2"}, [], tail=remote.field(3, remote.histogram(T)) + remote.field(3, remote.histogram(T + 1, bad=True)))
        status, text, counts = remote.write2(self.server, request)
        self.assertEqual((status, counts), (400, (2, 1, 0)))
        self.assertIn("2 of 5 samples not stored (1 out of order, 1 invalid native histograms)", text)
        self.assertIn('out of order sample for series {__name__="old2"}', text)
        self.assertIn("5 observations found in buckets, but the Count field is 6", text)
        self.assertEqual(self.values("good2"), ["1", "2"])

    def test_2_24_what_is_written_is_counted(self):
        exemplars = remote.exemplar2(1, T) + remote.exemplar2(2, T + 1)
        request = remote.Request2().add({"__name__": "count2"}, [(T, 1), (T + 1, 2)], tail=exemplars)
        request.add({"__name__": "count2", "h": "1"}, [], tail=remote.field(3, remote.histogram(T)))
        self.assertEqual(remote.write2(self.server, request), (204, "", (2, 1, 2)))
        self.assertEqual(self.write2({"__name__": "count2"}, tail=remote.exemplar2(3, T - 1)), (204, "", (0, 0, 0)))  # "Not to the letter"

    def test_2_30_other_types_and_encodings(self):
        body = remote.snappy(remote.Request2().bytes())
        for change in ({"Content-Encoding": "gzip"}, {"Content-Encoding": "lz4"}, {"Content-Type": "application/json"},
                       {"Content-Type": f"{PROTOBUF};proto=io.prometheus.write.v3.Request"}, {"Content-Type": f"{PROTOBUF};proto"}):
            status, _, text = self.post(body, {**remote.HEADERS2, **change})
            self.assertEqual(status, 415, change)
            self.assertIn(next(iter(change.values())), text.decode())

    def test_2_35_a_request_may_be_repeated(self):
        request = remote.Request2().add({"__name__": "again2"}, [(T, 1)], tail=remote.exemplar2(1, T))
        for _ in range(3):
            self.assertEqual(remote.write2(self.server, request), (204, "", (1, 0, 1)))
        self.assertEqual(self.values("again2"), ["1"])

    def test_2_36_later_senders(self):
        request = remote.Request2().add({"__name__": "later2"}, [(T, 1)], tail=remote.field(99, b"x"))
        headers = {**remote.HEADERS2, "X-Prometheus-Remote-Write-Version": "2.7.0"}
        self.assertEqual(remote.write2(self.server, request.bytes() + remote.field(77, b"x"), headers)[0], 204)

    def test_2_37_44_and_45_symbols(self):
        self.assertEqual(remote.write2(self.server, remote.Request2().add_refs([1, 2], [(T, 1, 0)]).fields)[::2], (400, (0, 0, 0)))
        for first in ("", "not empty"):  # references count all the same
            request = remote.Request2()
            request.symbols = [first, "__name__", "symbols2", "symbols2"]
            self.assertEqual(remote.write2(self.server, request.add_refs([1, 2], [(T, 1, 0)]).add_refs([1, 3], [(T, 1, 0)])), (204, "", (2, 0, 0)))
        self.assertEqual(self.values("symbols2"), ["1"])

    def test_2_38_39_53_and_54_times_values_and_starts(self):
        starts = [0, T, -1, 1]
        self.assertEqual(self.write2({"__name__": "exact2"}, *((T + i, i / 10) for i in range(4)), starts=starts), (204, "", (4, 0, 0)))
        self.assertEqual(self.server.instant("exact2[1h]", time=NOW)[0]["values"], [[(T + i) / 1000, v] for i, v in enumerate(("0", "0.1", "0.2", "0.3"))])

    def test_2_40_41_and_46_what_names_no_series(self):
        for refs, samples, why in (([], [(T, 1, 0)], "invalid metric name or labels"), ([1], [(T, 1, 0)], "invalid labelRefs length 1"),
                                   ([1, 2, 1], [(T, 1, 0)], "invalid labelRefs length 3"), ([1, 3], [(T, 1, 0)], "outside of symbols table"),
                                   ([1, 2], [], "at least one sample or histogram")):
            request = remote.Request2()
            request.ref("__name__"), request.ref("named2")
            status, text, counts = remote.write2(self.server, request.add_refs(refs, samples))
            self.assertEqual((status, counts), (400, (0, 0, 0)), (refs, text))
            self.assertIn(why, text)
        self.assertEqual(self.values("named2"), [])

    def test_2_42_and_43_samples_and_histograms(self):
        hist = remote.field(3, remote.histogram(T + 1))
        both = remote.Request2().add({"__name__": "mixed2"}, [(T, 1)], tail=hist)
        apart = remote.Request2().add({"__name__": "apart2"}, [(T, 1)]).add({"__name__": "apart2"}, [], tail=hist)
        for request, name in ((both, "mixed2"), (apart, "apart2")):
            self.assertEqual(remote.write2(self.server, request), (204, "", (1, 1, 0)))
            self.assertEqual(self.values(name), ["1"])
            self.assertEqual(self.server.instant(f"histogram_count({name})", time=T / 1000 + 1)[0]["value"][1], "5")

    def test_2_47_each_sample_with_all_its_labels(self):
        self.assertEqual(self.write2({"__name__": "all2", "a": "1"}, (T, 1))[0], 204)
        self.assertEqual(self.write2({"a": "1"}, (T + 1, 2))[::2], (400, (0, 0, 0)))
        self.assertEqual(self.values("all2"), ["1"])

    def test_2_48_49_and_50_label_sets(self):
        for labels, why in (([("__name__", "set2"), ("a", "1"), ("a", "2")], "duplicated label a"), ([("__name__", "set2"), ("", "1")], "invalid")):
            status, text, _ = self.write2(labels, (T, 1))
            self.assertEqual(status, 400, labels)
            self.assertIn(why, text)
        self.assertEqual(self.write2([("z", "1"), ("__name__", "set2"), ("empty", "")], (T, 1))[0], 204)
        self.assertEqual([s["metric"] for s in self.server.instant("set2", time=T / 1000)], [{"__name__": "set2", "z": "1"}])

    def test_2_51_any_text(self):
        labels = {"__name__": "größe.von", "wo ist es?": "Köln ☃"}
        self.assertEqual(self.write2(labels, (T, 1))[0], 204)
        self.assertEqual(self.server.instant('{"größe.von","wo ist es?"!=""}', time=T / 1000)[0]["metric"], labels)
        broken = b"".join(remote.field(4, s) for s in (b"", b"__name__", b"bad\xff")) + remote.Request2().add_refs([1, 2], [(T, 1, 0)]).fields
        self.assertEqual(remote.write2(self.server, broken)[::2], (400, (0, 0, 0)))

    def test_2_56_and_57_stale_markers(self):
        self.write2({"__name__": "stale2"}, (T, 1), (T + 1000, remote.STALE))
        self.assertEqual(self.server.instant("stale2", time=T / 1000 + 2), [])
        self.write2({"__name__": "nan2"}, (T, 1), (T + 1000, NAN))
        self.assertEqual(self.server.instant("nan2", time=T / 1000 + 2)[0]["value"][1], "NaN")

    def test_2_58_and_59_exemplars(self):
        self.assertEqual(self.write2({"__name__": "ex2"}, (T, 1), tail=remote.exemplar2(0.5, T)), (204, "", (1, 0, 1)))
        self.assertEqual(self.write2({"__name__": "bare2"}, (T, 1), tail=remote.field(4, b"")), (204, "", (1, 0, 1)))
        found = self.server.api("query_exemplars", query='{__name__=~"ex2|bare2"}', start=0, end=NOW)
        self.assertEqual([(s["seriesLabels"]["__name__"], e["value"], e["timestamp"]) for s in found for e in s["exemplars"]],
                         [("bare2", "0", 0), ("ex2", "0.5", T / 1000)])

    def test_every_sentence_has_a_test(self):
        shown = {1: set(), 2: set()}
        for name in (*dir(self), *dir(FailingDisk)):
            found = re.match(r"test_([12])_(\d.*)", name)
            if found:
                for part in re.findall(r"(?:^|_)(\d+)(?=_|$)", found[2]):
                    shown[int(found[1])].add(int(part))
        self.assertEqual(shown, sentences())


class FailingDisk(unittest.TestCase):
    def test_1_29_what_may_be_repeated_is_5xx(self):
        with programs.Ferula() as server:
            server.fail_writes()
            status, headers, text = server.request("/api/v1/write", method="POST", headers=remote.HEADERS,
                                                   body=remote.snappy(remote.series({"__name__": "x"}, [(T, 1)])))
            self.assertEqual((status, headers["Retry-After"]), (503, "5"), text)
            self.assertIn(b"not durable yet", text)

    def test_2_24_and_35_after_a_5xx_the_request_may_come_again(self):
        request = remote.Request2().add({"__name__": "x"}, [(T, 1)])
        with programs.Ferula() as server:
            server.fail_writes()
            self.assertEqual(remote.write2(server, request)[::2], (503, (0, 0, 0)))
            server.fail_writes(False)
            self.assertEqual(remote.write2(server, request), (204, "", (1, 0, 0)))
            self.assertEqual([s["values"] for s in server.instant("x[1h]", time=NOW)], [[[T / 1000, "1"]]])


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
