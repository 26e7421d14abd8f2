#!/usr/bin/env python3
"""Makes the golden directories beside this file with real Prometheus servers.

    make.py [NAME...]        all of CASES, or those named

Each NAME/ then holds chunks_head/ and wal/ as Prometheus left them after three runs, the second of which was
killed, and dump.txt, what the promtool of the same release prints for them (`promtool tsdb dump`). Series, values
and times are fixed. Needs dev.d/peers; stdlib only.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import programs  # noqa: E402
import remote  # noqa: E402

BEGIN = 1700006400  # a multiple of two hours
SPECIALS = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-300, 0.1, 3.0, remote.STALE]
SERIES = 8
RUNS = ((0, 260, True), (260, 330, False), (330, 430, True))  # from, to, stopped cleanly


def value_of(i, k):
    if i == 0:
        return SPECIALS[k % len(SPECIALS)]
    if i % 4 == 1:
        return float(k * i)
    if i % 4 == 2:
        return 7.0
    return random.Random(i * 1000003 + k).randrange(-10000, 10000) / 64


def write(prometheus, begin, end):
    """Series 7 ends early and the next run knows it only by its chunks; 6 begins late."""
    for k in range(begin, end, 10):
        parts = []
        for i in range(SERIES):
            if (i == 7 and k >= 240) or (i == 6 and k < 300):
                continue
            samples = [((BEGIN + n * 15) * 1000 + i, value_of(i, n)) for n in range(k, k + 10)]
            parts.append(remote.series({"__name__": "golden", "i": str(i)}, samples))
        status, text = remote.write(prometheus, *parts)
        assert status == 204, text


def make(name):
    suite = CASES[name]
    with tempfile.TemporaryDirectory(prefix="ferula-chunks-head-") as folder:
        data = os.path.join(folder, "data")
        server = programs.Prometheus("", "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y",
                                     suite=suite, data=data)
        with server:
            for begin, end, cleanly in RUNS:
                if server.process is None:
                    server.start()
                write(server, begin, end)
                if cleanly:
                    assert server.stop() == 0
                else:
                    server.kill()
        dump = subprocess.run([programs.peer(f"{suite}/promtool"), "tsdb", "dump", data], check=True,
                              stdout=subprocess.PIPE)
        kept = os.path.join(HERE, name)
        shutil.rmtree(kept, ignore_errors=True)
        for part in ("chunks_head", "wal"):
            shutil.copytree(os.path.join(data, part), os.path.join(kept, part))
        with open(os.path.join(kept, "dump.txt"), "wb") as file:
            file.write(dump.stdout)


CASES = {"prometheus-2.42": "release", "prometheus-3.5": "sid"}
for chosen in sys.argv[1:] or CASES:
    make(chosen)
