"""A directory of Ferula after 26 hours of samples, opened by Prometheus, and once more by Ferula: every series
and every sample, and nothing for promtool to complain about."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import programs
import remote

HOUR = 3600
BEGIN = 8744 * 54 * HOUR  # 2023; a multiple of all block ranges
HOURS, STEP, SERIES = 26, 60, 12
FLAGS = ["--storage.tsdb.retention.time=100y", "--storage.tsdb.max-block-duration=18h"]


def labels_of(i, hour):
    if i % 3:
        return {"__name__": "steady", "i": str(i), "note": 'k\u00fcche "1"'}
    return {"__name__": "churned", "hour": "%02d" % hour, "i": str(i)}


def value_of(i, k):
    return remote.STALE if k % 61 == 60 and i == 1 else float((k * (i + 1)) % 1013) / 8


def write_hour(server, hour):
    per = HOUR // STEP
    parts = []
    for i in range(SERIES):
        samples = [((BEGIN + hour * HOUR + k * STEP) * 1000, value_of(i, hour * per + k)) for k in range(per)]
        parts.append(remote.series(sorted(labels_of(i, hour).items()), samples))
    status, text = remote.write(server, *parts)
    assert status == 204, text


def blocks(folder):
    return sorted(n for n in os.listdir(folder) if len(n) == 26)


def dump(promtool, folder):
    """Each line a sample; the set has as many as the listing, so none is there twice."""
    lines = programs.promtool_dump(promtool, folder).stdout.splitlines()
    assert len(set(lines)) == len(lines)
    return set(lines)


def counts(server):
    """{series: samples} over all time, and one series' values."""
    end = BEGIN + HOURS * HOUR
    body = server.instant('count_over_time({__name__=~"steady|churned"}[%dh])' % (HOURS + 1), time=end)
    return {tuple(sorted(r["metric"].items())): r["value"][1] for r in body}


class Blocks(unittest.TestCase):
    def test_prometheus_reads_what_ferula_kept(self):
        with tempfile.TemporaryDirectory(prefix="ferula-e2e-") as folder:
            data = os.path.join(folder, "data")
            for first in range(0, HOURS, 5):  # a pass of maintenance at each start
                with programs.Ferula(*FLAGS, data=data) as ferula:
                    for hour in range(first, min(first + 5, HOURS)):
                        write_hour(ferula, hour)
                    ferula.stop()
            with programs.Ferula(*FLAGS, data=data) as ferula:
                deadline = time.monotonic() + 30
                while len(blocks(data)) > 4 and time.monotonic() < deadline:
                    time.sleep(0.2)
                mine = counts(ferula)
                ferula.stop()
            self.assertEqual(len(mine), 8 + 4 * HOURS)
            stale = (HOURS * HOUR // STEP) // 61  # which no function sees
            self.assertEqual(sum(int(v) for v in mine.values()), SERIES * HOURS * HOUR // STEP - stale)
            self.assertGreater(len(blocks(data)), 1)
            for suite in ("release", "sid"):
                with self.subTest(suite=suite):
                    self.check(suite, data, os.path.join(folder, suite), mine)

    def check(self, suite, data, copy, mine):
        shutil.copytree(data, copy)
        promtool = programs.peer(f"{suite}/promtool")
        listed = subprocess.run([promtool, "tsdb", "list", copy], check=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.assertEqual(listed.stderr, "")
        self.assertEqual(len(listed.stdout.splitlines()), len(blocks(copy)) + 1)
        for block in blocks(copy):
            subprocess.run([promtool, "tsdb", "analyze", copy, block], check=True, stdout=subprocess.DEVNULL)
        before = dump(promtool, copy)
        self.assertEqual(len(before), SERIES * HOURS * HOUR // STEP)
        with programs.Prometheus("", *FLAGS, suite=suite, data=copy) as prometheus:
            self.assertEqual(counts(prometheus), mine)
            self.assertEqual(prometheus.stop(), 0)
            for line in prometheus.log().splitlines():
                self.assertNotRegex(line.lower(), "level=(warn|error).*(wal|block|chunk|corrupt)")
        with programs.Ferula(*FLAGS, data=copy) as ferula:
            self.assertEqual(counts(ferula), mine)

    def test_what_limits_is_told(self):
        default = "No time or size retention was set so using the default time retention"
        with programs.Ferula() as ferula:
            self.assertIn(f'msg="{default}" duration=15d', ferula.log())
            self.assertEqual(ferula.api("status/runtimeinfo")["storageRetention"], "15d")
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as config:
            config.write("storage:\n  tsdb:\n    retention: {size: 1.5GB, percentage: 50}\n")
            config.flush()
            with programs.Ferula(f"--config.file={config.name}", "--storage.tsdb.retention.time=1w") as ferula:
                self.assertNotIn(default, ferula.log())
                self.assertNotIn("no effect yet", ferula.log())
                self.assertEqual(ferula.api("status/runtimeinfo")["storageRetention"], "1w or 1GiB512MiB or 50%")
                metrics = ferula.request("/metrics")[2].decode()
            for line in ("retention_limit_seconds 604800", "retention_limit_bytes 1.610612736e+09", "retention_limit_percentage 50"):
                self.assertIn(f"\nprometheus_tsdb_{line}\n", metrics)
            with programs.Ferula(f"--config.file={config.name}") as ferula:
                self.assertEqual(ferula.api("status/runtimeinfo")["storageRetention"], "1GiB512MiB or 50%")

    def test_snapshots_are_directories_of_their_own(self):
        with programs.Ferula() as ferula:
            status, _, body = ferula.request("/api/v1/admin/tsdb/snapshot", method="POST")
            self.assertEqual((status, json.loads(body)["error"]), (500, "admin APIs disabled"))
        with programs.Ferula("--web.enable-admin-api", *FLAGS) as ferula:
            for hour in range(3):
                write_hour(ferula, hour)
            status, _, body = ferula.request("/api/v1/admin/tsdb/snapshot", [("skip_head", "maybe")], "POST")
            self.assertEqual(status, 400)
            self.assertEqual(json.loads(body)["error"], 'invalid parameter "skip_head": unable to parse boolean: strconv.ParseBool: parsing "maybe": invalid syntax')
            status, _, body = ferula.request("/api/v1/admin/tsdb/clean_tombstones", method="POST")
            self.assertEqual(status, 204)
            status, _, body = ferula.request("/api/v1/admin/tsdb/snapshot", method="PUT")
            self.assertEqual(status, 200)
            name = json.loads(body)["data"]["name"]
            self.assertRegex(name, r"^\d{8}T\d{6}Z-[0-9a-f]{16}$")
            copy = os.path.join(ferula.data, "snapshots", name)
            os.mkdir(os.path.join(copy, "wal"))  # promtool insists
            self.assertEqual(len(dump(programs.peer("sid/promtool"), copy)), SERIES * 3 * HOUR // STEP)


if __name__ == "__main__":
    unittest.main()
