"""Blocks damaged before the start and under a running server: the start is never refused, the process lives, what it answers is
right, what is missing is named, and Prometheus opens the directory that is left."""

import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import programs
import remote

HOUR = 3600
BEGIN = 8744 * 54 * HOUR  # 2023; a multiple of all block ranges
HOURS, STEP, SERIES = 9, 30, 40
PER = HOUR // STEP
END = BEGIN + HOURS * HOUR
FLAGS = ["--storage.tsdb.retention.time=100y", "--storage.tsdb.max-block-duration=2h"]
FILES = ["meta.json", "index", "tombstones", "chunks/000001"]
QUARANTINE = "quarantine"
FERULATOOL = os.environ.get("FERULATOOL", os.path.join(programs.ROOT, "build", "ferulatool"))


def value_of(i, k):
    return float(i * 1000 + k * k % 977)


def write(server, first, last):
    for hour in range(first, last):
        parts = [remote.series([("__name__", "m"), ("i", str(i))],
                               [((BEGIN + hour * HOUR + k * STEP) * 1000, value_of(i, hour * PER + k)) for k in range(PER)])
                 for i in range(SERIES)]
        status, text = remote.write(server, *parts)
        assert status == 204, text


def blocks(folder):
    return sorted(n for n in os.listdir(folder) if len(n) == 26) if os.path.isdir(folder) else []


class Damage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ferula-e2e-")
        cls.whole = os.path.join(cls.folder, "whole")
        for first in range(0, HOURS, 3):  # a pass of maintenance at each start
            with programs.Ferula(*FLAGS, data=cls.whole) as ferula:
                write(ferula, first, first + 3)
                ferula.stop()
        with programs.Ferula(*FLAGS, data=cls.whole) as ferula:
            deadline = time.monotonic() + 30
            while len(blocks(cls.whole)) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            ferula.stop()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def copy(self):
        data = os.path.join(self.folder, "copy")
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self.whole, data)
        return data

    def ask(self, server):
        """How many samples there are, each checked, and the warnings."""
        status, _, body = server.request("/api/v1/query", [("query", "m[%dh]" % (HOURS + 1)), ("time", END)])
        answer = json.loads(body)
        self.assertEqual(status, 200, answer)
        n = 0
        for series in answer["data"]["result"]:
            self.assertEqual(set(series["metric"]), {"__name__", "i"})
            times = [t for t, _ in series["values"]]
            self.assertEqual(times, sorted(set(times)))
            for t, v in series["values"]:
                self.assertEqual(float(v), value_of(int(series["metric"]["i"]), (int(t) - BEGIN) // STEP))
            n += len(times)
        return n, answer.get("warnings", [])

    def check(self, server, block):
        """All is there, or what is missing is of the damaged block and is told."""
        n, warnings = self.ask(server)
        if n != SERIES * HOURS * PER:
            self.assertGreaterEqual(n, SERIES * (HOURS - 2) * PER)
            self.assertTrue(any(block in w for w in warnings), warnings)
        return n

    def flip(self, path, rng):
        with open(path, "r+b") as file:
            at = rng.randrange(os.path.getsize(path))
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << rng.randrange(8)]))

    def test_flips_before_the_start(self):
        rng, lost, aside = random.Random(4), 0, 0
        for name in FILES * 2:
            data = self.copy()
            self.assertEqual(len(blocks(data)), 3)
            block = blocks(data)[1]
            for _ in range(3):
                self.flip(os.path.join(data, block, name), rng)
            with programs.Ferula(*FLAGS, data=data) as ferula:
                lost += self.check(ferula, block) != SERIES * HOURS * PER
                self.assertEqual(ferula.stop(), 0)
            if block in blocks(os.path.join(data, QUARANTINE)):
                aside += 1
        self.assertGreater(lost, 3)
        self.assertGreater(aside, 2)

    def test_what_is_set_aside_is_told_and_may_be_moved_back(self):
        data = self.copy()
        block = blocks(data)[1]
        path = os.path.join(data, block, "index")
        with open(path, "rb") as file:
            index = file.read()
        with open(path, "r+b") as file:
            file.truncate(len(index) // 2)
        for _ in range(2):
            with programs.Ferula(*FLAGS, data=data) as ferula:
                self.assertEqual(self.check(ferula, block), SERIES * (HOURS - 2) * PER)
                self.assertIn(block, ferula.log())
                metrics = ferula.request("/metrics")[2].decode()
                self.assertIn("\nferula_tsdb_blocks_damaged 1\n", metrics)
                self.assertIn('\nferula_tsdb_block_damaged{block="%s"} 1\n' % block, metrics)
                answer = json.loads(ferula.request("/api/v1/query", [("query", "m"), ("time", END)])[2])
                self.assertNotIn("warnings", answer)  # of another time
                ferula.stop()
            self.assertEqual(len(blocks(data)), 2)
        other = os.path.join(self.folder, "prometheus")
        shutil.copytree(data, other)
        with programs.Prometheus("", FLAGS[0], suite="sid", data=other) as prometheus:
            self.assertEqual(self.ask(prometheus)[0], SERIES * (HOURS - 2) * PER)
        os.rename(os.path.join(data, QUARANTINE, block), os.path.join(data, block))
        with open(os.path.join(data, block, "index"), "wb") as file:
            file.write(index)
        with programs.Ferula(*FLAGS, data=data) as ferula:
            self.assertEqual(self.ask(ferula), (SERIES * HOURS * PER, []))

    def test_verify_finds_what_no_checksum_of_the_format_covers(self):
        data = self.copy()
        block = os.path.join(data, blocks(data)[0])

        def verify():
            ran = subprocess.run([FERULATOOL, "tsdb", "verify", data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            return ran.returncode, ran.stdout

        self.assertEqual(verify()[0], 0, verify())
        with open(os.path.join(block, "index"), "r+b") as file:
            file.seek(4)
            file.write(b"\x03")  # a version that is read alike
        self.assertRegex(verify()[1], r"index: 0: index: is not what ferula.sums says\n")
        shutil.copy(os.path.join(self.whole, os.path.basename(block), "index"), block)
        path = os.path.join(block, "meta.json")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace('"maxTime": 1', '"maxTime": 2', 1))
        self.assertRegex(verify()[1], r"meta.json: 0: meta.json: is not what ferula.sums says\n")

    def test_flips_under_a_running_server(self):
        """Of bytes that nothing has checked yet: a chunk that was found right is believed while its mapping is in memory, and so
        are the tables of the index, which are checked when the block is opened."""
        rng = random.Random(5)
        for name in FILES * 2:
            data = self.copy()
            block = blocks(data)[1]
            with programs.Ferula(*FLAGS, data=data) as ferula:
                for _ in range(5):
                    self.flip(os.path.join(data, block, name), rng)
                for _ in range(2):
                    if name == "index":
                        self.assertEqual(ferula.request("/api/v1/query", [("query", "m[%dh]" % HOURS), ("time", END)])[0], 200)
                    else:
                        self.check(ferula, block)
                self.assertEqual(ferula.stop(), 0)

    def test_files_cut_short_under_queries(self):
        for name in ("chunks/000001", "index"):
            data = self.copy()
            block = blocks(data)[2]
            path = os.path.join(data, block, name)
            with programs.Ferula(*FLAGS, data=data) as ferula:
                self.assertEqual(self.ask(ferula), (SERIES * HOURS * PER, []))
                until, failed = time.monotonic() + 1.5, []

                def query():
                    while time.monotonic() < until:
                        try:
                            self.check(ferula, block)
                            ferula.request("/api/v1/series", [("match[]", "m")])
                            ferula.request("/api/v1/labels")
                        except Exception as error:  # told in the test's own thread
                            failed.append(error)
                            return

                threads = [threading.Thread(target=query) for _ in range(4)]
                for thread in threads:
                    thread.start()
                time.sleep(0.3)
                os.truncate(path, 0)
                for thread in threads:
                    thread.join()
                self.assertEqual(failed, [])
                self.assertEqual(self.check(ferula, block), SERIES * (HOURS - 2) * PER)
                self.assertEqual(ferula.stop(), 0)
            with programs.Ferula(*FLAGS, data=data) as ferula:
                self.check(ferula, block)  # what the log still holds of that time is there again


if __name__ == "__main__":
    unittest.main()
