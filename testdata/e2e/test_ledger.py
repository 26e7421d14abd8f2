"""The ledger: eight writers, ten kills with -9. After each restart what was acknowledged is stored, what
is stored was acknowledged or in flight, value by value; promtool and Prometheus read the same. The same with histograms of
all kinds, samples out of order, exemplars and metadata by remote write 2.0."""

import os
import random
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import programs

KILLS = 10
SERIES = 4000
STEP_MS = 1000
RATE = 25000
BUCKETS = 20
LATE = 10
LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
SELECTOR = '{__name__=~"bench_http_requests_.*"}'


def mix(a, b):
    mask = (1 << 64) - 1
    z = (a * 0x9E3779B97F4A7C15 + b) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def value(i, k):
    """What loadgen sends as sample k of series i (bench/load_series.c, load_value)."""
    slope = 1 + i % 97
    v = i % 1000 + k * slope + mix(i, k) % slope
    return v * (1 + i // 20 % 5) if i % 20 == 19 else v


def observations(i, k):
    """Of a histogram of --kind mixed (load_bucket); those of floats have half a one more in each bucket."""
    count = sum(5 + b + k * (1 + (i + b * b) % 7) for b in range(BUCKETS))
    return count + 0.5 * BUCKETS if i % 4 == 1 else count


def is_histogram(i):
    return i % 4 != 3


def is_late(i, k):
    """With --late: the sample is one and a half steps older, so out of order."""
    return k >= 2 and (i + k) % LATE == 0


def series_of(labels):
    return int(labels["pod"].rsplit("-", 1)[1], 16)


class Ledger(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ferula-ledger-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "ledger")
        self.data = os.path.join(self.folder, "data")
        self.start_ms = int(time.time()) * 1000 - 1800 * 1000
        self.random = random.Random(20261121)

    def write_and_kill(self, server, first, *more, before_kill=None):
        """Writes from sample `first` on and kills the server somewhere in between."""
        load = subprocess.Popen(
            [LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", str(SERIES), "--samples", "100000",
             "--batch", "500", "--connections", "8", "--from", str(first), "--start", str(self.start_ms),
             "--step", str(STEP_MS), "--rate", str(RATE), "--ledger", self.path, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(self.random.uniform(0.2, 1.5))
        if before_kill:
            before_kill(server)
        server.kill()
        error = load.communicate(timeout=60)[1]
        self.assertEqual(load.returncode, 3, f"the writer ended otherwise: {error}")

    def read_ledger(self):
        """(acknowledged, in flight) as sets of (series, sample)."""
        sets = {"a": set(), "i": set()}
        with open(self.path, encoding="ascii") as file:
            for line in file:
                what, k, first, count = line.split()
                sets[what].update((i, int(k)) for i in range(int(first), int(first) + int(count)))
        return sets["a"], sets["i"]

    def stored(self, server):
        """(series, sample) -> value, as the server answers."""
        ret = {}
        at = time.time()
        for name in server.api("label/__name__/values"):
            for s in server.instant(f"{name}[1h]", time=at):
                i = series_of(s["metric"])
                for t, v in s.get("values", []) + s.get("histograms", []):
                    k, rest = divmod(round(t * 1000) - self.start_ms, STEP_MS)
                    if rest != 0:
                        k += 2
                        self.assertEqual((rest, is_late(i, k)), (STEP_MS / 2, True))
                    self.assertNotIn((i, k), ret, "a sample twice")
                    ret[i, k] = (float(v["count"]), float(v["sum"]), len(v["buckets"])) if isinstance(v, dict) else float(v)
        return ret

    def check(self, stored, expected=value):
        acknowledged, in_flight = self.read_ledger()
        self.assertEqual(acknowledged - stored.keys(), set(), "acknowledged and lost")
        self.assertEqual(stored.keys() - acknowledged - in_flight, set(), "stored and never sent")
        for (i, k), v in stored.items():
            self.assertEqual(v, expected(i, k), f"series {i} sample {k}")

    def check_promtool(self, stored):
        dump = subprocess.run([programs.peer("sid/promtool"), "tsdb", "dump", self.data],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(dump.returncode, 0, dump.stderr)
        self.assertEqual(dump.stderr, "", "promtool warns")
        theirs = {}
        for line in dump.stdout.splitlines():
            labels, text, t = line.rsplit(" ", 2)
            i = int(re.search(r'pod="[^"]*-([0-9a-f]+)"', labels)[1], 16)
            theirs[i, (int(t) - self.start_ms) // STEP_MS] = float(text)
        self.assertEqual(theirs, stored)

    def check_prometheus(self, server, queries):
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.data, copy, ignore=shutil.ignore_patterns("lock"))
        at = self.start_ms / 1000 + 60
        with programs.Prometheus(data=copy, suite="sid") as prometheus:
            self.assertNotIn("repair", prometheus.log())  # of a torn record: all behind it would be deleted
            for when in (at, time.time()):
                for query in queries:
                    theirs = prometheus.instant(query, time=when)
                    ours = server.instant(query, time=when)
                    key = lambda s: sorted(s["metric"].items())  # noqa: E731
                    self.assertEqual(sorted(theirs, key=key), sorted(ours, key=key), query)

    def test_nothing_acknowledged_is_lost(self):
        with programs.Ferula(data=self.data) as server:
            first = 0
            for _ in range(KILLS):
                self.write_and_kill(server, first)
                server.start()
                stored = self.stored(server)
                self.check(stored)
                first = max(k for sets in self.read_ledger() for _, k in sets) + 1
            self.assertGreater(len(stored), 10000)
            self.assertEqual(server.stop(), 0)
            self.check_promtool(stored)
            server.start()
            self.check_prometheus(server, [f"sum by (__name__) ({SELECTOR})", f"count({SELECTOR})", f"sum(sum_over_time({SELECTOR}[1h]))"])

    def check_exemplars(self, server):
        """One for each float sample that was acknowledged; none that was not sent."""
        found = server.api("query_exemplars", query=SELECTOR, start=self.start_ms / 1000, end=time.time() + 3600)
        stored = {}
        for s in found:
            i = series_of(s["seriesLabels"])
            for e in s["exemplars"]:
                k, rest = divmod(round(e["timestamp"] * 1000 - self.start_ms), STEP_MS)
                k += 2 if rest else 0  # in time all the same: behind a kill the one before may be missing
                self.assertNotIn((i, k), stored, "an exemplar twice")
                stored[i, k] = e["labels"]["trace_id"], float(e["value"])
        acknowledged, in_flight = self.read_ledger()
        expected = {(i, k) for i, k in acknowledged if not is_histogram(i) and not is_late(i, k)}
        self.assertEqual(expected - stored.keys(), set(), "exemplars lost")
        self.assertEqual(stored.keys() - acknowledged - in_flight, set(), "exemplars never sent")
        for (i, k), e in stored.items():
            self.assertEqual(e, (f"{mix(k, i):016x}", value(i, k)))

    def check_metadata(self, server):
        found = server.api("metadata")
        for metric in range(20):
            entry = {"type": "histogram" if is_histogram(metric) else "counter", "help": f"What metric {metric} counts.", "unit": ""}
            self.assertEqual(found[f"bench_http_requests_{metric:02}_total"], [entry])

    def test_nothing_is_lost_of_histograms_late_samples_exemplars_and_metadata(self):
        def expected(i, k):
            return (observations(i, k), value(i, k), BUCKETS) if is_histogram(i) else value(i, k)

        config = os.path.join(self.folder, "f.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write("storage: {exemplars: {max_exemplars: 1000000}, tsdb: {out_of_order_time_window: 10m}}\n")
        with programs.Ferula("--enable-feature=exemplar-storage", f"--config.file={config}", data=self.data) as server:
            first = 0
            for kill in range(3):
                # By turns, so that the other protocol meets series that the one has made.
                self.write_and_kill(server, first, "--kind", "mixed", "--late", str(LATE), "--protocol", str(2 - kill % 2), "--rate", str(RATE // 2), before_kill=self.check_metadata)
                server.start()
                self.check_metadata(server)
                stored = self.stored(server)
                self.check(stored, expected)
                self.check_exemplars(server)
                first = max(k for sets in self.read_ledger() for _, k in sets) + 1
            self.assertGreater(sum(isinstance(v, tuple) for v in stored.values()), 3000)
            self.assertGreater(sum(is_late(i, k) for i, k in stored), 1000)
            self.check_prometheus(server, [f"count by (__name__) ({SELECTOR})", f"sum by (__name__) (count_over_time({SELECTOR}[1h]))",
                                           f"sum by (__name__) (histogram_count({SELECTOR}))", f"sum by (__name__) (histogram_sum({SELECTOR}))"])


if __name__ == "__main__":
    unittest.main()
