"""Thanos' shipper on our directory (CLIENTS.md T6, section 3.3): what it lists, links and uploads while blocks come, are merged
and leave. The shipper is played by this file, step by step as its source goes; the real one needs Go."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import programs
import remote

HOUR = 3600
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}$")
BEGIN = 8744 * 54 * HOUR  # 2023; a multiple of all block ranges
SERIES, STEP = 5, 60


class Shipper:
    """One sync after another; what it must not meet is an assertion."""

    def __init__(self, data, bucket):
        self.data, self.bucket = data, bucket
        self.uploaded = []
        self.syncs = 0

    def blocks(self):
        """{ulid: meta} of the blocks it would look at: a directory whose name is a ULID without a readable meta.json ends all."""
        found = {}
        for name in os.listdir(self.data):
            path = os.path.join(self.data, name)
            if not ULID.match(name) or not os.path.isdir(path):
                continue
            try:
                with open(os.path.join(path, "meta.json"), encoding="utf-8") as file:
                    found[name] = json.load(file)
            except FileNotFoundError:
                if os.path.isdir(path):  # else it has just been renamed away as a whole
                    raise AssertionError(f"{name} has no meta.json: {os.listdir(path)}") from None
        return found

    def check(self, name, meta):
        """What Thanos reads from it, and that every file of it is one that Thanos knows."""
        assert meta["version"] == 1 and meta["ulid"] == name and meta["minTime"] < meta["maxTime"], meta
        assert meta["stats"]["numSamples"] > 0 and meta["stats"]["numSeries"] > 0 and meta["compaction"]["level"] >= 1, meta
        assert meta["compaction"]["sources"], meta
        files = set(os.listdir(os.path.join(self.data, name)))
        assert {"chunks", "index", "meta.json"} <= files <= {"chunks", "index", "meta.json", "tombstones", "ferula.sums"}, files
        assert all(re.fullmatch(r"\d{6}", n) for n in os.listdir(os.path.join(self.data, name, "chunks")))

    def sync(self):
        self.syncs += 1
        for name, meta in sorted(self.blocks().items(), key=lambda b: b[1]["minTime"]):
            if name in self.uploaded or meta["compaction"]["level"] > 1:
                continue
            self.check(name, meta)
            self.upload(name, meta)
            self.uploaded.append(name)
        temporary = os.path.join(self.data, "thanos.shipper.json.tmp")
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "uploaded": self.uploaded}, file)
        os.rename(temporary, os.path.join(self.data, "thanos.shipper.json"))

    def upload(self, name, meta):
        """Hard links in thanos/upload, its own section in the linked meta.json, then the bucket."""
        source, link = os.path.join(self.data, name), os.path.join(self.data, "thanos", "upload", name)
        shutil.rmtree(link, ignore_errors=True)
        os.makedirs(os.path.join(link, "chunks"))
        for file in [os.path.join("chunks", n) for n in os.listdir(os.path.join(source, "chunks"))] + ["meta.json", "index"]:
            os.link(os.path.join(source, file), os.path.join(link, file))
        meta["thanos"] = {"labels": {"replica": "a"}, "downsample": {"resolution": 0}, "source": "sidecar"}
        with open(os.path.join(link, "meta.json.tmp"), "w", encoding="utf-8") as file:
            json.dump(meta, file)
        os.rename(os.path.join(link, "meta.json.tmp"), os.path.join(link, "meta.json"))
        shutil.copytree(link, os.path.join(self.bucket, name))
        shutil.rmtree(link)


class Thanos(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ferula-thanos-")
        self.addCleanup(folder.cleanup)
        self.data, self.bucket = os.path.join(folder.name, "data"), os.path.join(folder.name, "bucket")
        os.makedirs(self.data)
        os.makedirs(self.bucket)
        self.written = 0

    def ferula(self, *flags):
        return programs.Ferula("--storage.tsdb.retention.time=100y", *flags, data=self.data)

    def write_hours(self, server, first, last):
        for hour in range(first, last):
            parts = [remote.series({"__name__": "shipped", "i": str(i)},
                                   [((BEGIN + hour * HOUR + k * STEP) * 1000, k * i / 8) for k in range(HOUR // STEP)]) for i in range(SERIES)]
            status, text = remote.write(server, *parts)
            self.assertEqual(status, 204, text)
            self.written += SERIES * HOUR // STEP

    def wait(self, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), deadline, os.listdir(self.data))
            time.sleep(0.05)

    def fill(self, hours, *flags, each=5):
        """As many hours of samples, through restarts, each of which lets maintenance run."""
        for first in range(0, hours, each):
            with self.ferula(*flags) as server:
                self.write_hours(server, first, min(first + each, hours))
                server.stop()

    def test_blocks_are_uploaded_whole_while_they_come_and_merge(self):
        """The shipper runs all the time, as fast as it can; what is in the bucket is what promtool reads there."""
        shipper, stop, trouble = Shipper(self.data, self.bucket), threading.Event(), []

        def run():
            while not stop.is_set():
                try:
                    shipper.sync()
                except Exception as error:  # pylint: disable=broad-except
                    trouble.append(repr(error))
                    return

        thread = threading.Thread(target=run)
        delay = f"--storage.tsdb.delay-compact-file.path={self.data}/thanos.shipper.json"
        thread.start()
        try:
            self.fill(28, delay, "--storage.tsdb.max-block-duration=18h")
            with self.ferula(delay, "--storage.tsdb.max-block-duration=18h") as server:
                self.wait(lambda: len(shipper.uploaded) >= 12 and any(m["compaction"]["level"] > 1 for m in shipper.blocks().values()))
                total = server.instant("sum(count_over_time(shipped[100h]))", time=BEGIN + 28 * HOUR)
                server.stop()
        finally:
            stop.set()
            thread.join()
        self.assertEqual(trouble, [])
        self.assertEqual(int(total[0]["value"][1]), self.written)
        self.assertGreater(shipper.syncs, 10)
        self.check_bucket(shipper)

    def check_bucket(self, shipper):
        """Each block of two hours, none twice, and every sample that was cut."""
        metas = list(Shipper(self.bucket, None).blocks().values())
        ranges = sorted((m["minTime"], m["maxTime"]) for m in metas)
        self.assertEqual(len(ranges), len({r[0] // (2 * HOUR * 1000) for r in ranges}))
        self.assertTrue(all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:])))
        self.assertEqual({m["compaction"]["level"] for m in metas}, {1})
        names = os.listdir(self.bucket)
        os.mkdir(os.path.join(self.bucket, "wal"))  # promtool wants one
        dump = programs.promtool_dump(programs.peer("sid/promtool"), self.bucket).stdout.splitlines()
        self.assertEqual(len(set(dump)), sum(m["stats"]["numSamples"] for m in metas))
        self.assertEqual(len(dump), SERIES * len(ranges) * 2 * HOUR // STEP)
        for name in names:
            self.assertFalse({"ferula.sums", "tombstones"} & set(os.listdir(os.path.join(self.bucket, name))))
            subprocess.run([programs.peer("sid/promtool"), "tsdb", "analyze", self.bucket, name], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(sorted(shipper.uploaded), sorted(names))

    def test_what_is_not_uploaded_is_not_merged(self):
        delay = f"--storage.tsdb.delay-compact-file.path={self.data}/thanos.shipper.json"
        with open(os.path.join(self.data, "thanos.shipper.json"), "w", encoding="utf-8") as file:
            json.dump({"version": 1, "uploaded": []}, file)
        self.fill(20, delay, "--storage.tsdb.max-block-duration=18h")
        shipper = Shipper(self.data, self.bucket)
        with self.ferula(delay, "--storage.tsdb.max-block-duration=18h") as server:
            self.wait(lambda: len(shipper.blocks()) >= 8)
            time.sleep(1)
            self.assertEqual({m["compaction"]["level"] for m in shipper.blocks().values()}, {1})
            server.stop()
        shipper.sync()
        self.assertGreaterEqual(len(shipper.uploaded), 8)
        with self.ferula(delay, "--storage.tsdb.max-block-duration=18h") as server:
            self.wait(lambda: any(m["compaction"]["level"] > 1 for m in shipper.blocks().values()))
            server.stop()

    def test_equal_block_durations_leave_merging_to_the_compactor(self):
        flags = ["--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h"]
        self.fill(12, *flags)
        with self.ferula(*flags) as server:
            shown = server.api("status/flags")
            self.assertEqual((shown["storage.tsdb.min-block-duration"], shown["storage.tsdb.max-block-duration"]), ("2h", "2h"))
            time.sleep(1)
            server.stop()
        blocks = Shipper(self.data, self.bucket).blocks()
        self.assertGreaterEqual(len(blocks), 4)
        self.assertEqual({m["compaction"]["level"] for m in blocks.values()}, {1})


if __name__ == "__main__":
    unittest.main()
