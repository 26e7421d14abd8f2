"""The ledger: eight writers, ten kills with -9. After each restart what was acknowledged is stored, what
is stored was acknowledged or in flight, value by value; promtool and Prometheus read the same."""

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
LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
SELECTOR = '{__name__=~"bench_http_requests_.*"}'


def mix(a, b):
    mask = (1 << 64) - 1
    z = (a * 0x9E3779B97F4A7C15 + b) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def value(i, k):
    """What loadgen sends as sample k of series i (bench/loadgen.c, series_value)."""
    slope = 1 + i % 97
    v = i % 1000 + k * slope + mix(i, k) % slope
    return v * (1 + i // 20 % 5) if i % 20 == 19 else v


def series_of(labels):
    return int(labels["pod"].rsplit("-", 1)[1], 16)


class Ledger(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ferula-ledger-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "ledger")
        self.data = os.path.join(self.folder, "data")
        self.start_ms = int(time.time()) * 1000 - 1800 * 1000
        self.random = random.Random(20261121)

    def write_and_kill(self, server, first):
        """Writes from sample `first` on and kills the server somewhere in between."""
        load = subprocess.Popen(
            [LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", str(SERIES), "--samples", "100000",
             "--batch", "500", "--connections", "8", "--from", str(first), "--start", str(self.start_ms),
             "--step", str(STEP_MS), "--rate", str(RATE), "--ledger", self.path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(self.random.uniform(0.2, 1.5))
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
                for t, text in s["values"]:
                    k, rest = divmod(round(t * 1000) - self.start_ms, STEP_MS)
                    self.assertEqual(rest, 0)
                    self.assertNotIn((i, k), ret, "a sample twice")
                    ret[i, k] = float(text)
        return ret

    def check(self, stored):
        acknowledged, in_flight = self.read_ledger()
        self.assertEqual(acknowledged - stored.keys(), set(), "acknowledged and lost")
        self.assertEqual(stored.keys() - acknowledged - in_flight, set(), "stored and never sent")
        for (i, k), v in stored.items():
            self.assertEqual(v, value(i, k), f"series {i} sample {k}")

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

    def check_prometheus(self, server):
        copy = os.path.join(self.folder, "copy")
        shutil.copytree(self.data, copy, ignore=shutil.ignore_patterns("lock"))
        at = self.start_ms / 1000 + 60
        queries = [f"sum by (__name__) ({SELECTOR})", f"count({SELECTOR})", f"sum(sum_over_time({SELECTOR}[1h]))"]
        with programs.Prometheus(data=copy, suite="sid") as prometheus:
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
            self.check_prometheus(server)


if __name__ == "__main__":
    unittest.main()
