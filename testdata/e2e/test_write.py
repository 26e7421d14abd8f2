"""The remote-write receiver: what is stored, what is refused and how it is said."""

import gzip
import time
import unittest

import programs
import remote

NOW = int(time.time())
T = (NOW - 600) * 1000


class Write(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.Ferula()
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    def samples(self, selector):
        return [[t, v] for s in self.server.instant(f"{selector}[1h]", time=NOW) for t, v in s["values"]]

    def test_labels_in_any_order_name_the_same_series(self):
        a = {"__name__": "order", "a": "1", "b": "2", "empty": ""}
        self.assertEqual(remote.write(self.server, remote.series(a, [(T, 1)]))[0], 204)
        self.assertEqual(remote.write(self.server, remote.series(reversed(a.items()), [(T + 1000, 2)]))[0], 204)
        found = self.server.instant("order[1h]", time=NOW)
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["metric"], {"__name__": "order", "a": "1", "b": "2"})
        self.assertEqual([v for _, v in found[0]["values"]], ["1", "2"])

    def test_the_same_series_many_times_in_one_request(self):
        one = {"__name__": "repeated"}
        parts = [remote.series(one, [(T + k * 1000, k)]) for k in range(50)]
        self.assertEqual(remote.write(self.server, *parts)[0], 204)
        self.assertEqual(len(self.samples("repeated")), 50)

    def test_equal_samples_again_are_fine(self):
        body = remote.series({"__name__": "again"}, [(T, 1), (T + 1000, 2)])
        for _ in range(3):
            status, text = remote.write(self.server, remote.series({"__name__": "again"}, [(T + 1000, 2)]))
            self.assertEqual((status, text), (204, ""))
        status, text = remote.write(self.server, body)
        self.assertEqual(status, 400)
        self.assertIn("out of order sample", text)
        self.assertEqual(len(self.samples("again")), 1)

    def test_one_bad_sample_does_not_take_its_neighbours_along(self):
        remote.write(self.server, remote.series({"__name__": "late"}, [(T + 5000, 1)]))
        status, text = remote.write(
            self.server,
            remote.series({"__name__": "neighbour", "n": "1"}, [(T, 1)]),
            remote.series({"__name__": "late"}, [(T, 1)]),
            remote.series({"__name__": "late"}, [(T + 5000, 2)]),
            remote.series({"no_name": "x"}, [(T, 1)]),
            remote.series([("__name__", "twice"), ("a", "1"), ("a", "2")], [(T, 1)]),
            remote.series({"__name__": "future"}, [((NOW + 3600) * 1000, 1)]),
            remote.series({"__name__": "neighbour", "n": "2"}, [(T, 1)]),
        )
        self.assertEqual(status, 400)
        self.assertIn('out of order sample for series {__name__="late"}', text)
        self.assertIn("duplicate sample for timestamp", text)
        self.assertIn("too far in the future", text)
        self.assertIn("5 of 7 samples not stored", text)
        self.assertEqual(len(self.server.instant("neighbour", time=T / 1000)), 2)

    def test_metadata_alone_and_metadata_kept(self):
        self.assertEqual(remote.write(self.server, remote.metadata(1, "meta_total", "What it counts.", "s"))[0], 204)
        self.assertEqual(self.server.api("metadata", metric="meta_total"),
                         {"meta_total": [{"type": "counter", "unit": "s", "help": "What it counts."}]})

    def test_exemplars_alone_and_unknown_fields_are_accepted(self):
        exemplar = remote.field(3, remote.label("trace_id", "1") + b"\x11" + b"\0" * 8)
        self.assertEqual(remote.write(self.server, remote.series({"__name__": "ex"}, [], exemplar))[0], 204)
        self.assertEqual(remote.write(self.server, remote.series({"__name__": "unk"}, [(T, 1)], remote.field(77, b"x")))[0], 204)
        self.assertEqual(len(self.samples("unk")), 1)

    def test_native_histograms_are_stored_and_bad_ones_named(self):
        status, text = remote.write(self.server, remote.series({"__name__": "nh"}, [], remote.field(4, remote.histogram(T))),
                                    remote.series({"__name__": "nh"}, [], remote.field(4, remote.histogram(T + 1, bad=True))),
                                    remote.series({"__name__": "beside"}, [(T, 1)]))
        self.assertEqual(status, 400)
        self.assertIn("5 observations found in buckets, but the Count field is 6", text)
        self.assertEqual(self.server.instant("histogram_count(nh)", time=T / 1000)[0]["value"][1], "5")
        self.assertEqual(len(self.samples("beside")), 1)

    def test_stale_markers_end_a_series(self):
        remote.write(self.server, remote.series({"__name__": "ends"}, [(T, 1), (T + 1000, remote.STALE)]))
        self.assertEqual(len(self.server.instant("ends", time=T / 1000)), 1)
        self.assertEqual(self.server.instant("ends", time=T / 1000 + 2), [])

    def test_what_is_no_write_request(self):
        body = remote.snappy(remote.series({"__name__": "x"}, [(T, 1)]))
        cases = [
            ({"Content-Type": "text/plain"}, body, 415),
            ({**remote.HEADERS, "Content-Encoding": "gzip"}, gzip.compress(body), 415),
            ({**remote.HEADERS, "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, body, 415),
            ({**remote.HEADERS, "Content-Encoding": "zstd"}, body, 400),
            ({**remote.HEADERS, "Content-Type": "application/x-protobuf;proto"}, body, 415),
            (remote.HEADERS, b"", 400),
            (remote.HEADERS, b"\xff\xff\xff\xff\x7f", 400),
            (remote.HEADERS, body[:-1], 400),
            (remote.HEADERS, remote.snappy(b"\x0a\xff"), 400),
            ({**remote.HEADERS, "Content-Type": "application/x-protobuf;proto=prometheus.WriteRequest"}, body, 204),
            ({}, body, 415),
        ]
        for headers, data, expected in cases:
            with self.subTest(headers=headers, data=data[:20]):
                status, _, text = self.server.request("/api/v1/write", method="POST", body=data, headers=headers)
                self.assertEqual(status, expected, text)

    def test_zstd_bodies_are_stored(self):
        body = remote.zstd(remote.series({"__name__": "packed"}, [(T, 1)]))
        status, _, text = self.server.request("/api/v1/write", method="POST", body=body,
                                              headers={**remote.HEADERS, "Content-Encoding": "zstd"})
        self.assertEqual(status, 204, text)
        self.assertEqual(len(self.samples("packed")), 1)

    def test_the_receiver_is_off_by_default(self):
        server = programs.Ferula()
        server.command.remove("--web.enable-remote-write-receiver")
        with server:
            pass_through = remote.write(server, remote.series({"__name__": "x"}, [(T, 1)]))
            self.assertEqual(pass_through[0], 404)
            self.assertIn("--web.enable-remote-write-receiver", pass_through[1])


class Write2(unittest.TestCase):
    """Remote write 2.0."""

    @classmethod
    def setUpClass(cls):
        cls.server = programs.Ferula()
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()

    samples = Write.samples

    def test_samples_are_stored_and_counted(self):
        request = remote.Request2().add({"__name__": "v2", "b": "2", "a": "1"}, [(T, 1), (T + 1000, 2)], starts=[T - 5, T - 5])
        request.add({"__name__": "v2", "a": "3"}, [(T, 3)])
        self.assertEqual(remote.write2(self.server, request), (204, "", (3, 0, 0)))
        found = self.server.instant("v2[1h]", time=NOW)
        self.assertEqual({tuple(sorted(s["metric"].items())): len(s["values"]) for s in found},
                         {(("__name__", "v2"), ("a", "1"), ("b", "2")): 2, (("__name__", "v2"), ("a", "3")): 1})
        # Again: equal to what is stored. In the other protocol, and with other symbols: the same series.
        self.assertEqual(remote.write2(self.server, remote.Request2().add({"__name__": "v2", "a": "3"}, [(T, 3)])),
                         (204, "", (1, 0, 0)))
        self.assertEqual(remote.write(self.server, remote.series({"__name__": "v2", "a": "3"}, [(T + 1, 4)]))[0], 204)
        self.assertEqual(len(self.samples('v2{a="3"}')), 2)

    def test_one_bad_series_does_not_take_its_neighbours_along(self):
        remote.write2(self.server, remote.Request2().add({"__name__": "late2"}, [(T + 5000, 1)]))
        request = remote.Request2()
        request.add({"__name__": "beside2", "n": "1"}, [(T, 1)])
        request.add_refs([1, 2, 3], [(T, 1, 0)])
        request.add_refs([1, 4711], [(T, 1, 0)])
        request.add({"no_name": "x"}, [(T, 1)])
        request.add([("__name__", "twice"), ("a", "1"), ("a", "1")], [(T, 1)])
        request.add({"__name__": "late2"}, [(T, 1), (T + 5000, 2), (T + 6000, 3)])
        request.add({"__name__": "nothing2"})
        request.add({"__name__": "future2"}, [((NOW + 3600) * 1000, 1)])
        request.add({"__name__": "beside2", "n": "2"}, [(T, 1)])
        status, text, counts = remote.write2(self.server, request)
        self.assertEqual((status, counts), (400, (3, 0, 0)), text)
        for part in ("parsing labels for series [1 2 3]: invalid labelRefs length 3",
                     "labelRefs 1 (name) = 4711 (value) outside of symbols table",
                     'invalid metric name or labels, got {no_name="x"}',
                     'invalid labels for series, labels {__name__="twice", a="1", a="1"}, duplicated label a',
                     'out of order sample for series {__name__="late2"}', "duplicate sample for timestamp",
                     'TimeSeries must contain at least one sample or histogram for series {__name__="nothing2"}',
                     "too far in the future", "7 of 10 samples not stored"):
            self.assertIn(part, text)
        self.assertEqual(len(self.server.instant("beside2", time=T / 1000)), 2)

    def test_metadata_is_kept_by_family(self):
        request = remote.Request2().add({"__name__": "m2_seconds_bucket", "le": "1"}, [(T, 1)], kind=3, text="How long.", unit="seconds")
        self.assertEqual(remote.write2(self.server, request)[0], 204)
        self.assertEqual(self.server.api("metadata", metric="m2_seconds"),
                         {"m2_seconds": [{"type": "histogram", "unit": "seconds", "help": "How long."}]})

    def test_exemplars_are_accepted_and_counted_as_not_written(self):
        request = remote.Request2().add({"__name__": "ex2"}, [(T, 1)], tail=remote.exemplar2(1, T))
        request.add({"__name__": "ex2"}, [], tail=remote.exemplar2(1, T))
        self.assertEqual(remote.write2(self.server, request), (204, "", (1, 0, 0)))

    def test_native_histograms_are_stored_and_bad_ones_named(self):
        request = remote.Request2().add({"__name__": "nh2"}, [], tail=remote.field(3, remote.histogram(T, 3)))
        request.add({"__name__": "nh2"}, [], tail=remote.field(3, remote.histogram(T + 1, 4, bad=True))).add({"__name__": "f2"}, [(T, 1)])
        status, text, counts = remote.write2(self.server, request)
        self.assertEqual((status, counts), (400, (1, 1, 0)))
        self.assertIn("20 observations found in buckets, but the Count field is 21: histogram's observation count should equal the "
                      "number of observations found in the buckets (in absence of NaN) for series {__name__=\"nh2\"}", text)
        self.assertIn("1 of 3 samples not stored (1 invalid native histograms)", text)
        self.assertEqual(self.server.instant("histogram_count(nh2)", time=T / 1000)[0]["value"][1], "15")
        self.assertEqual(self.server.instant("f2", time=T / 1000)[0]["value"][1], "1")

    def test_what_cannot_be_read_is_400_with_counts(self):
        for message in (b"\x2a\xff", b"\x22", b"\x28\x01"):
            with self.subTest(message=message):
                self.assertEqual(remote.write2(self.server, message)[::2], (400, (0, 0, 0)))
        status, headers, _ = self.server.request("/api/v1/write", method="POST", body=b"\xff", headers=remote.HEADERS2)
        self.assertEqual((status, remote.written(headers)), (400, (0, 0, 0)))
        self.assertEqual(remote.write2(self.server, b""), (204, "", (0, 0, 0)))

    def test_only_the_messages_of_the_flag_are_taken(self):
        flag = "--web.remote-write-receiver.accepted-protobuf-messages="
        one, two = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
        with programs.Ferula(flag + one) as server:
            status, text, counts = remote.write2(server, remote.Request2())
            self.assertEqual((status, counts), (415, (0, 0, 0)))
            self.assertEqual(text, f"{two} protobuf message is not accepted by this server; only accepts {one}\n")
            self.assertEqual(remote.write(server)[0], 204)
        with programs.Ferula(flag + two) as server:
            self.assertEqual(remote.write(server), (415, f"{one} protobuf message is not accepted by this server; only accepts {two}\n"))
            self.assertEqual(remote.write2(server, remote.Request2())[0], 204)


if __name__ == "__main__":
    unittest.main()
