"""A WAL of Ferula's writer, read by promtool: the same samples, and not a word of complaint."""

import os
import subprocess
import tempfile
import unittest

import programs

WAL_WRITE = os.environ.get("WAL_WRITE", os.path.join(programs.ROOT, "build", "testdata", "wal_write"))


def parse(listing):
    """{(labels, time): value}; values as text that is equal for equal numbers."""
    samples = {}
    for line in listing.splitlines():
        labels, value, time = line.rsplit(" ", 2)
        key = labels, int(time)
        assert key not in samples, f"twice: {line}"
        samples[key] = repr(float(value))
    return samples


class WalPromtool(unittest.TestCase):
    def check(self, suite, compression, how):
        promtool = programs.peer(f"{suite}/promtool")
        with tempfile.TemporaryDirectory(prefix="ferula-e2e-") as folder:
            wrote = subprocess.run([WAL_WRITE, f"{folder}/wal", compression, how], check=True,
                                   stdout=subprocess.PIPE, text=True)
            names = sorted(os.listdir(f"{folder}/wal"))
            segments = [name for name in names if name.isdigit()]
            first = 0
            if how == "checkpoint":
                first = int(segments[0])
                self.assertGreater(first, 1)
                self.assertEqual(names[len(segments):], [f"checkpoint.{first - 1:08d}"])
            self.assertEqual(segments, [f"{first + i:08d}" for i in range(len(segments))])
            if how == "ahead":  # zeros behind the last record
                with open(f"{folder}/wal/{segments[-1]}", "rb") as file:
                    self.assertEqual(file.read()[-32768:], bytes(32768))
            if how in ("small", "torn"):
                self.assertGreater(len(segments), 3)
            if how == "torn":  # what was torn was cut off: whole pages only where a log was closed
                self.assertTrue(any(os.path.getsize(f"{folder}/wal/{s}") % 32768 for s in segments))
            dump = programs.promtool_dump(promtool, folder)
        self.assertEqual(dump.stderr, "")
        want, got = parse(wrote.stdout), parse(dump.stdout)
        if how == "checkpoint":  # the segments behind it hold older samples, too
            oldest = min(time for _, time in want)
            got = {key: value for key, value in got.items() if key[1] >= oldest}
        self.assertGreater(len(want), 6000 if how == "checkpoint" else 9000)
        self.assertEqual(len(got), len(want))
        for key, value in want.items():
            self.assertEqual(got.get(key), value, key)


def case(suite, compression, how):
    return lambda self: self.check(suite, compression, how)


for suite, compressions in (("release", ("plain", "snappy")), ("sid", ("plain", "snappy", "zstd"))):
    for compression in compressions:
        for how in ("closed", "killed", "ahead", "small", "twice", "checkpoint", "torn"):
            if how == "ahead" and compression != "plain":
                continue
            setattr(WalPromtool, f"test_{suite}_{compression}_{how}", case(suite, compression, how))
