"""One data directory, many owners: Prometheus' is taken over by Ferula and given back.

Every series, sample and label call of a directory with blocks, tombstones, checkpoint, chunks_head and WAL is the same from
both. Then they take turns writing to one directory, some ending by SIGKILL, and nothing is lost or doubled.
"""

import json
import os
import random
import shutil
import tempfile
import unittest

import programs
import remote

BEGIN = 1700006400  # a multiple of two hours
STEP = 600
BLOCKS_END = BEGIN + 10 * 3600  # from here on a sample each 15 s
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
SPECIALS = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-300, 0.1, 3.0, remote.STALE]
SERIES = [
    {"__name__": "special", "kind": "cycle"},
    {"__name__": "temperature", "note": 'a "quoted" \\ value', "room": "k\u00fcche"},
    {"__name__": "prefix", "a": "b"},
    {"__name__": "prefix", "a": "ba"},
    {"__name__": "prefix"},
] + [{"__name__": "many", "id": str(i), "shard": str(i % 3)} for i in range(12)]


def value_of(i, k):
    if i == 0:
        return SPECIALS[k % len(SPECIALS)]
    if i % 4 == 1:
        return float(k * i)
    if i % 4 == 2:
        return 7.0
    return random.Random(i * 1000003 + k).randrange(-10000, 10000) / 64


def write(server, times):
    """A sample of every series at each time; the last two series only at even hours, so that they come and go."""
    for first in range(0, len(times), 20):
        parts = []
        for i, labels in enumerate(SERIES):
            chosen = [t for t in times[first : first + 20] if i < len(SERIES) - 2 or t // 7200 % 2 == 0]
            if chosen:
                parts.append(remote.series(labels, [(t * 1000 + i % 7, value_of(i, t // 15)) for t in chosen]))
        status, text = remote.write(server, *parts)
        assert status == 204, text


def delete(server, match, start, end):
    status, _, text = server.request(
        "/api/v1/admin/tsdb/delete_series", [("match[]", match), ("start", start), ("end", end)], "POST")
    assert status == 204, text


def key_of(labels):
    return json.dumps(labels, sort_keys=True)


def samples_of(server, until, hours=1000):
    """All samples but stale markers, as the server prints them."""
    found = server.instant('{__name__=~".+"}[%dh]' % hours, time=until)
    return {key_of(s["metric"]): s["values"] for s in found}


def everything(server, until, suite):
    """Answers of all kinds, to be compared; computed ones where the language is that of Prometheus 3."""
    answers = {"samples": samples_of(server, until)}
    ranges = [(BEGIN, until), (BEGIN, BEGIN + 1), (BLOCKS_END - 60, BLOCKS_END + 60), (until - 600, until)]
    for start, end in ranges:
        for match in ('{__name__=~".+"}', 'many{shard="1"}', '{a!=""}'):
            params = [("match[]", match), ("start", start), ("end", end)]
            for path in ("series", "labels", "label/__name__/values", "label/id/values", "label/room/values"):
                status, _, body = server.request("/api/v1/" + path, params)
                found = json.loads(body)["data"]
                # Prometheus sorts series only where they come from several places.
                answers[path, match, start, end] = status, sorted(found, key=key_of) if path == "series" else found
    for query in () if suite == "release" else ("sum by (shard) (rate(many[5m]))", 'max_over_time({a=~"b.*"}[1h])', "count({id!=''})"):
        answers[query] = server.range(query, BEGIN, until, 1200)
    return answers


class TakeOver(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="take-over-")
        self.addCleanup(shutil.rmtree, folder)
        self.data = os.path.join(folder, "data")

    def prometheus(self, suite):
        return programs.Prometheus("", *FLAGS, "--web.enable-admin-api", suite=suite, data=self.data)

    def ferula(self):
        return programs.Ferula("--storage.tsdb.retention.time=100y", data=self.data)

    def has(self, *path):
        folder = os.path.join(self.data, *path)
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def blocks(self):
        return [n for n in self.has() if len(n) == 26]

    def assert_sound(self, server):
        """Nothing in the directory was found damaged."""
        status, _, body = server.request("/metrics")
        self.assertEqual(status, 200)
        for line in body.decode().splitlines():
            if line.startswith(("prometheus_tsdb_mmap_chunk_corruptions_total", "prometheus_tsdb_wal_corruptions_total",
                                "ferula_tsdb_blocks_damaged")):
                self.assertEqual(line.split()[-1], "0", line)

    def assert_same(self, got, want):
        self.assertEqual(got.keys(), want.keys())
        for key, value in want.items():
            if isinstance(value, dict):
                self.assertEqual(got[key].keys(), value.keys())
                for series, samples in value.items():
                    self.assertEqual(got[key][series], samples, (key, series))
            else:
                self.assertEqual(got[key], value, key)

    def make(self, suite):
        """A directory with all there is; returns the time of its last sample."""
        times = list(range(BEGIN, BLOCKS_END, STEP))
        with self.prometheus(suite) as server:
            for part in range(4):  # each start begins a segment of the log
                write(server, times[part * 4 : part * 4 + 4])
                server.stop()
                server.start()
            write(server, times[16:])
            until = BLOCKS_END + 150 * 15
            write(server, range(BLOCKS_END, until, 15))
            for _ in range(100):
                if self.blocks() and any(n.startswith("checkpoint") for n in self.has("wal")):
                    break
                server.process.poll()
                programs.time.sleep(0.1)
            delete(server, 'many{id="1"}', BEGIN + 1000, BEGIN + 5000)
            delete(server, 'many{id="2"}', BEGIN, BEGIN + 9 * 3600)
            delete(server, 'many{id="4"}', BLOCKS_END + 300, BLOCKS_END + 600)
            self.assertEqual(server.stop(), 0)
            server.start()
            write(server, range(until, until + 600, 15))
            self.assertEqual(server.stop(), 0)
        self.assertGreater(len(self.blocks()), 1)
        self.assertTrue(any(n.startswith("checkpoint") for n in self.has("wal")), self.has("wal"))
        self.assertTrue(any(os.path.getsize(os.path.join(self.data, b, "tombstones")) > 9 for b in self.blocks()))
        self.assertTrue(self.has("chunks_head"))
        return until + 600

    def take_over(self, suite):
        until = self.make(suite)
        with self.prometheus(suite) as server:
            want = everything(server, until, suite)
        self.assertGreater(sum(len(v) for v in want["samples"].values()), 3000)
        with self.ferula() as server:
            self.assert_same(everything(server, until, suite), want)
            self.assert_sound(server)
            write(server, range(until, until + 3600, 15))
            want = everything(server, until + 3600, suite)
        with self.prometheus(suite) as server:
            self.assert_sound(server)
            self.assert_same(everything(server, until + 3600, suite), want)
            self.assertNotIn("orrupt", server.log())

    def test_prometheus_2(self):
        self.take_over("release")

    def test_prometheus_3(self):
        self.take_over("sid")

    def test_ten_swaps_under_writing(self):
        """Each owner finds all that was ever acknowledged, once, and adds 35 minutes; a third of them are killed."""
        owners = [lambda: self.prometheus("release"), self.ferula, lambda: self.prometheus("sid"), self.ferula]
        at, want = BEGIN, {}
        for turn in range(11):
            with owners[turn % 4]() as server:
                self.assert_sound(server)
                if turn:
                    self.assertEqual(samples_of(server, at), want, turn)
                write(server, range(at, at + 35 * 60, 15))
                at += 35 * 60
                want = samples_of(server, at)
                expected = sum(1 for t in range(BEGIN, at, 15) for i in range(len(SERIES))
                               if i < len(SERIES) - 2 or t // 7200 % 2 == 0)
                stale = sum(1 for t in range(BEGIN, at, 15) if t // 15 % len(SPECIALS) == SPECIALS.index(remote.STALE))
                self.assertEqual(sum(len(v) for v in want.values()), expected - stale)
                if turn % 3 == 2:
                    server.kill()


class AllTypes(unittest.TestCase):
    """Floats, native histograms of integers, of floats and of custom buckets, exemplars, and samples out of order, in a directory that
    changes owners, however they pack their log (Ferula does not). What is there must be what was acknowledged."""

    maxDiff = 2000
    OWN = {"storage": {"tsdb": {"out_of_order_time_window": "30m"}, "exemplars": {"max_exemplars": 10000}}}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="all-types-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.data = os.path.join(self.folder, "data")
        self.config = os.path.join(self.folder, "ferula.yml")
        with open(self.config, "w", encoding="ascii") as file:
            json.dump(self.OWN, file)
        self.at = int(programs.time.time()) - 1200
        self.expected, self.exemplars = {}, []

    def ferula(self):
        return programs.Ferula("--enable-feature=exemplar-storage", f"--config.file={self.config}", data=self.data)

    def prometheus(self, *flags, suite="sid"):
        config = self.OWN if suite == "sid" else {}
        return programs.Prometheus(json.dumps(config), "--web.enable-remote-write-receiver", "--enable-feature=native-histograms,exemplar-storage", *flags,
                                   suite=suite, data=self.data)

    def zstd(self):
        return self.prometheus("--storage.tsdb.wal-compression-type=zstd")

    def plain(self):
        return self.prometheus("--no-storage.tsdb.wal-compression")

    def put(self, server, name, kind, k):
        """Sample k, by 2.0; k may be behind others."""
        t, n = (self.at + k) * 1000, k % 50 + 1
        request, told = remote.Request2(), (1, 0, 0)
        if kind is None:
            request.add({"__name__": name}, [(t, n)])
            self.expected[name, t] = float(n)
        else:
            request.add({"__name__": name}, [], tail=remote.field(3, kind(t, n)))
            told = (0, 1, 0)
            count, total = {"histogram": (5, 7), "float_histogram": (2.5, 3), "custom_histogram": (3, 4)}[kind.__name__]
            self.expected[name, t] = count * n, total * n, 2 if kind is remote.custom_histogram else 3 if kind is remote.float_histogram else 4
        self.assertEqual(remote.write2(server, request), (204, "", told), (name, k))

    def put_exemplar(self, server, k):
        t = (self.at + k) * 1000
        request = remote.Request2()
        labels = remote.field(1, remote.varint(request.ref("trace_id")) + remote.varint(request.ref(f"t{k}")))
        tail = remote.field(4, labels + remote.exemplar2(k, t)[2:])
        self.assertEqual(remote.write2(server, request.add({"__name__": "f"}, [(t, k)], tail=tail)), (204, "", (1, 0, 1)))
        self.expected["f", t] = float(k)
        self.exemplars.append((t, {"trace_id": f"t{k}"}, str(k)))

    def check(self, server, histograms=True):
        found = {}
        for s in server.instant('{__name__=~".+"}[1h]', time=self.at + 1200):
            for t, v in s.get("values", []) + s.get("histograms", []):
                key = s["metric"]["__name__"], round(t * 1000)
                self.assertNotIn(key, found, "a sample twice")
                found[key] = (float(v["count"]), float(v["sum"]), len(v["buckets"])) if isinstance(v, dict) else float(v)
        expected = {k: v for k, v in self.expected.items() if histograms or not isinstance(v, tuple)}
        self.assertEqual({k: v for k, v in found.items() if k in expected}, expected)
        self.assertEqual(found.keys(), self.expected.keys())
        stored = [(round(e["timestamp"] * 1000), e["labels"], e["value"])
                  for s in server.api("query_exemplars", query="f", start=self.at, end=self.at + 1200) for e in s["exemplars"]]
        self.assertEqual(stored, self.exemplars)

    def test_with_3_5(self):
        for turn, owner in enumerate((self.zstd, self.ferula, self.plain, self.ferula, self.prometheus)):
            with owner() as server:
                self.check(server)
                first = 100 * turn + 60
                for k in range(first, first + 12):
                    for name, kind in (("h", remote.histogram), ("fh", remote.float_histogram), ("ch", remote.custom_histogram)):
                        self.put(server, name, kind, k)
                    self.put_exemplar(server, k)
                for k in range(first - 1, first - 40, -3):
                    for name, kind in (("f", None), ("h", remote.histogram), ("fh", remote.float_histogram), ("ch", remote.custom_histogram)):
                        self.put(server, name, kind, k)
                self.check(server)
                if turn % 3 != 2:
                    server.kill()
        self.assertTrue(os.listdir(os.path.join(self.data, "wbl")))

    def test_with_2_42(self):
        """Which knows 1.0 and exponential histograms, and hands those out mixed up."""
        old = lambda *flags: self.prometheus(*flags, suite="release")  # noqa: E731
        packed, plain = (lambda: old("--storage.tsdb.wal-compression")), (lambda: old("--no-storage.tsdb.wal-compression"))
        for turn, owner in enumerate((packed, self.ferula, plain, self.ferula)):
            with owner() as server:
                self.check(server, histograms=turn % 2 == 1)
                for k in range(100 * turn, 100 * turn + 12):
                    t, n = (self.at + k) * 1000, k % 50 + 1
                    self.assertEqual(remote.write(
                        server, remote.series({"__name__": "f"}, [(t, n)]), remote.series({"__name__": "h"}, [], remote.field(4, remote.histogram(t, n))),
                        remote.series({"__name__": "fh"}, [], remote.field(4, remote.float_histogram(t, n)))), (204, ""))
                    self.expected.update({("f", t): float(n), ("h", t): (5 * n, 7 * n, 4), ("fh", t): (2.5 * n, 3 * n, 3)})
                self.check(server, histograms=turn % 2 == 1)
                if turn % 3 != 2:
                    server.kill()


if __name__ == "__main__":
    unittest.main()
