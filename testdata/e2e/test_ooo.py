"""Samples out of order, side by side with Prometheus 3.5 and in directories that change owners, 2.42 among them.

Both get the same requests under the same out_of_order_time_window: the same answers, the same counters, the same samples, as
they arrive, after kill -9, after compaction. Then each opens what the other left, its log of samples out of order and
its chunks of them included.
"""

import json
import os
import random
import shutil
import subprocess
import tempfile
import unittest

import programs
import remote

BEGIN = 1700006400  # a multiple of two hours
WINDOW = 4 * 3600
CONFIG = "storage:\n  tsdb:\n    out_of_order_time_window: 4h\n"
FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--web.enable-lifecycle", "--web.enable-admin-api", "--enable-feature=native-histograms"]
N_SERIES = 8
COUNTED = ("prometheus_tsdb_out_of_order_samples_total", "prometheus_tsdb_too_old_samples_total",
           "prometheus_tsdb_out_of_bound_samples_total", "prometheus_tsdb_head_out_of_order_samples_appended_total",
           "prometheus_tsdb_head_samples_appended_total", "prometheus_tsdb_sample_ooo_delta_count",
           "prometheus_tsdb_sample_ooo_delta_sum", "prometheus_tsdb_sample_ooo_delta_bucket")


def labels(i):
    return {"__name__": "late", "i": str(i)}


def value(i, t):
    return float((t // 15 * 7919 + i) % 1000) / 8


def requests(seed, first, last, step=60):
    """Lists of (series, seconds): in order each step, and a quarter as many behind it, some of them again."""
    rng = random.Random(seed)
    for t in range(first, last, step):
        yield [(i, t) for i in range(N_SERIES) if rng.random() < 0.9]
        back = [(rng.randrange(N_SERIES), t - 15 - rng.randrange(WINDOW // 15 - 2) * 15) for _ in range(3)]
        back = [(i, b) for i, b in back if b >= BEGIN]
        if back:
            yield back
            if rng.random() < 0.2:
                yield back


def write(server, rows):
    by_series = {}
    for i, t in rows:
        by_series.setdefault(i, []).append((t * 1000, value(i, t)))
    return remote.write(server, *[remote.series(labels(i), samples) for i, samples in by_series.items()])


def samples_of(server, until):
    found = server.instant('{__name__=~".+"}[1000h]', time=until)
    return {json.dumps(s["metric"], sort_keys=True): s.get("values", s.get("histograms")) for s in found}


def counters(server):
    _, _, body = server.request("/metrics")
    out = {}
    for line in body.decode().splitlines():
        if line.startswith(COUNTED):
            name, number = line.rsplit(" ", 1)
            out[name.replace('le="600.0"', 'le="600"')] = float(number)
    return out


class OutOfOrder(unittest.TestCase):
    maxDiff = 3000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ooo-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.config = os.path.join(self.folder, "ooo.yml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(CONFIG)

    def prometheus(self, data=None, suite="sid"):
        return programs.Prometheus(CONFIG, *FLAGS, suite=suite, data=data)

    def older_prometheus(self, data=None):
        return self.prometheus(data, "release")

    def ferula(self, data=None):
        return programs.Ferula("--storage.tsdb.retention.time=100y", "--web.enable-lifecycle", "--web.enable-admin-api",
                               f"--config.file={self.config}", data=data)

    def assert_same(self, got, want):
        self.assertEqual(got.keys(), want.keys())
        for key, samples in want.items():
            self.assertEqual(got[key], samples, key)

    def write_all(self, servers, seed, first, last, step=60):
        for rows in requests(seed, first, last, step):
            answers = [write(s, rows)[0] for s in servers]
            self.assertEqual(answers, [204] * len(servers), rows)

    def assert_same_everywhere(self, servers, until):
        want = samples_of(servers[0], until)
        self.assertTrue(want)
        for server in servers[1:]:
            self.assert_same(samples_of(server, until), want)
            for query in ("sum(rate(late[10m]))", "max_over_time(late[1h])", 'late{i=~"1|2"}', "count_over_time(late[3h])"):
                for start in (BEGIN - 600, until - 7200):
                    self.assertEqual(server.range(query, start, until, 300), servers[0].range(query, start, until, 300), query)

    def test_the_same_answers_as_prometheus(self):
        with self.prometheus() as theirs, self.ferula() as ours:
            both = [theirs, ours]
            self.write_all(both, 1, BEGIN, BEGIN + 5 * 1800)
            end = BEGIN + 5 * 1800
            for i, t, status in ((0, end + 60, 204), (0, end + 60 - WINDOW - 60, 400), (99, end + 60 - WINDOW - 3600, 400),
                                 (98, end - 7200, 204), (0, end + 60 - WINDOW, 204)):
                told = [write(s, [(i, t)]) for s in both]
                self.assertEqual([s for s, _ in told], [status] * 2, (i, t, told))
                if status == 400:
                    self.assertIn("too old sample", told[0][1])
                    self.assertIn("too old sample", told[1][1])
            # The same time with another value: refused where it is the newest, else the first one counts.
            for t, status in ((end + 60, 400), (end - 7200 + 1, 204), (end - 7200 + 1, 204)):
                told = [remote.write(s, remote.series(labels(0), [(t * 1000, 1e6 + t % 7)]))[0] for s in both]
                self.assertEqual(told, [status] * 2)
            self.assert_same_everywhere(both, end + 60)
            got, want = counters(ours), counters(theirs)
            self.assertEqual({k: got.get(k) for k in want}, want)
            ours.kill()
            ours.start()
            self.assert_same_everywhere(both, end + 60)

            # Past three hours the head is cut, then what is out of order.
            self.write_all(both, 2, end + 120, end + 6 * 3600, step=300)
            until = end + 6 * 3600
            ours.stop()
            ours.start()
            for server in both:
                for _ in range(200):
                    if any(b["compaction"].get("hints") or b["compaction"]["level"] > 1 for b in self.metas(server.data)):
                        break
                    programs.time.sleep(0.1)
                else:
                    self.fail(f"{server.command[0]}: no block of samples out of order\n{server.log()}")
            self.assert_same_everywhere(both, until)
            # Without the window, what is there is still read and nothing more is taken.
            for server, path in ((theirs, theirs.config_path), (ours, self.config)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write("")
                self.assertEqual(server.request("/-/reload", method="POST")[0], 200)
                self.assertEqual(write(server, [(1, until - 3000)])[0], 400)
            self.assert_same_everywhere(both, until)

    def dumped(self, server):
        """The samples of a snapshot, as promtool reads them."""
        status, _, body = server.request("/api/v1/admin/tsdb/snapshot", method="POST")
        self.assertEqual(status, 200, body)
        copy = os.path.join(server.data, "snapshots", json.loads(body)["data"]["name"])
        os.mkdir(os.path.join(copy, "wal"))  # promtool insists
        return self.promtool_dump(copy)

    def promtool_dump(self, folder):
        found = subprocess.run([programs.peer("sid/promtool"), "tsdb", "dump", folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
        self.assertEqual(found.returncode, 0, found.stderr)
        return sorted(found.stdout.splitlines())

    def test_promtool_reads_a_directory_with_a_window_and_nothing_late(self):
        with self.ferula() as server:
            self.assertEqual(write(server, [(1, BEGIN), (2, BEGIN)])[0], 204)
            self.assertEqual(len(self.promtool_dump(server.data)), 2)

    def test_a_snapshot_has_them(self):
        """Other than Prometheus' own, which is a backup of what came in order."""
        with self.prometheus() as theirs, self.ferula() as ours:
            self.write_all([theirs, ours], 3, BEGIN, BEGIN + 5400)
            in_order, everything = self.dumped(theirs), self.dumped(ours)
            self.assertLess(set(in_order), set(everything))
            stored = sum(len(v) for v in samples_of(theirs, BEGIN + 5400).values())
            self.assertEqual((len(everything), len(set(everything))), (stored, stored))
            self.assertLess(len(in_order), stored)
            self.assert_same_everywhere([theirs, ours], BEGIN + 5400)  # and still there

    def metas(self, data):
        out = []
        for name in os.listdir(data):
            path = os.path.join(data, name, "meta.json")
            if len(name) == 26 and os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    out.append(json.load(file))
        return out

    def histograms(self, server, i, times):
        tail = b"".join(remote.field(4, remote.histogram(t * 1000, 1 + t // 60 % 50)) for t in times)
        status, text = remote.write(server, remote.series({"__name__": "hist", "i": str(i)}, [], tail))
        self.assertEqual(status, 204, text)

    def test_a_directory_changes_owners(self):
        self.change_owners([self.prometheus, self.ferula, self.prometheus, self.ferula, self.ferula, self.prometheus])

    def test_a_directory_changes_owners_with_2_42(self):
        """Which knows floats out of order, and no histograms."""
        self.change_owners([self.older_prometheus, self.ferula, self.older_prometheus, self.ferula, self.ferula, self.older_prometheus], late_histograms=False)

    def change_owners(self, owners, late_histograms=True):
        data = os.path.join(self.folder, "data")
        kept = None
        end = BEGIN
        for turn, owner in enumerate(owners):
            with owner(data) as server:
                if kept is not None:
                    self.assert_same(samples_of(server, end), kept)
                self.write_all([server], 10 + turn, end + 60, end + 4000, step=120)
                end += 4000
                self.histograms(server, 0, range(end - 600, end, 60))
                for t in range(end - 690, end - 3000, -120) if late_histograms else ():
                    self.histograms(server, 0, [t])
                if turn % 2 == 1:
                    server.stop()
                    server.start()
                kept = samples_of(server, end)
                if turn % 3 != 2:
                    server.kill()
                else:
                    self.assertEqual(server.stop(), 0)
        self.assertTrue(os.listdir(os.path.join(data, "wbl")))


if __name__ == "__main__":
    unittest.main()
