#!/usr/bin/env python3
"""Makes the golden blocks beside this file with real Prometheus programs.

    make.py [NAME...]        all of CASES, or those named

Each NAME/ then holds blocks as Prometheus or promtool left them and dump.txt, what the promtool of the same
release prints for the folder (`promtool tsdb dump`). Series, values and times are fixed; only ULIDs differ
from run to run. Needs dev.d/peers; stdlib only.
"""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import programs  # noqa: E402
import remote  # noqa: E402

HOUR = 3600
BEGIN = 1700006400  # a multiple of two hours
SPECIALS = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-300, 0.1, 3.0, remote.STALE]


def series_of(n):
    """Label sets with what indexes trip over: UTF-8, quotes, one label's value a prefix of another's."""
    sets = [
        {"__name__": "special", "kind": "cycle"},
        {"__name__": "temperature", "room": "k\u00fcche", "note": 'a "quoted" \\ value'},
        {"__name__": "prefix", "a": "b"},
        {"__name__": "prefix", "a": "ba"},
        {"__name__": "prefix", "a": "b", "b": "c"},
        {"__name__": "prefix"},
    ]
    sets += [{"__name__": "many", "id": str(i), "shard": str(i % 3)} for i in range(n)]
    return sets


def value_of(i, k):
    if i == 0:
        return SPECIALS[k % len(SPECIALS)]
    if i % 4 == 1:
        return float(k * i)
    if i % 4 == 2:
        return 7.0
    return random.Random(i * 1000003 + k).randrange(-10000, 10000) / 64


def openmetrics(suite, out, samples=24):
    """promtool's way: text with times to blocks of two hours."""
    lines = []
    for i, labels in enumerate(series_of(40)):
        name = labels["__name__"]
        text = ",".join('%s="%s"' % (k, v.replace("\\", "\\\\").replace('"', '\\"'))
                        for k, v in labels.items() if k != "__name__")
        for k in range(samples):
            v = value_of(i, k)
            shown = "NaN" if v != v else repr(v).replace("inf", "Inf")
            lines.append("%s{%s} %s %d" % (name, text, shown, BEGIN + k * 600 + i % 5))
    with open(out + ".txt", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n# EOF\n")
    subprocess.run([programs.peer(f"{suite}/promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                    out + ".txt", out], check=True, stdout=subprocess.DEVNULL)
    os.unlink(out + ".txt")


def overlap(suite, out):
    """Blocks of the same two hours that hold the same series with samples at the same times and other values:
    which one counts is told by dump.txt alone."""
    rng = random.Random(7)
    for source in range(5):
        lines = []
        for i in range(12):
            times = [k for k in range(40) if rng.random() < (0.3, 0.6, 0.9, 0.5, 1.0)[source]]
            lines += ["tied{i=\"%d\"} %d %d" % (i, source, BEGIN + k * 60) for k in times if (i + source) % 4]
        with open(out + ".txt", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n# EOF\n")
        subprocess.run([programs.peer(f"{suite}/promtool"), "tsdb", "create-blocks-from", "openmetrics", "--quiet",
                        out + ".txt", out], check=True, stdout=subprocess.DEVNULL)
        os.unlink(out + ".txt")


def histogram(t_ms, n):
    """A native histogram with integer counts: schema 0, one span of two buckets."""
    def f64(number, v):
        return remote.varint(number << 3 | 1) + struct.pack("<d", v)

    def num(number, v):
        return remote.varint(number << 3) + remote.varint(v)

    span = num(1, 2) + num(2, 2)  # offset 1, zigzag; length 2
    deltas = remote.varint(2 * n) + remote.varint(2)
    body = (num(1, 2 * n + 1) + f64(3, n * 1.5) + num(4, 0) + f64(5, 1e-9) + num(6, 0)
            + remote.field(11, span) + remote.field(12, deltas) + num(15, t_ms))
    return remote.field(4, body)


def server(suite, out):
    """A running server's way: ten hours of samples, cut and compacted as they come; some deleted."""
    flags = ["--web.enable-admin-api", "--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y"]
    if suite == "sid":
        flags.append("--enable-feature=native-histograms")
    data = out + ".data"
    with programs.Prometheus("", *flags, suite=suite, data=data) as prometheus:
        for k in range(10 * 6):
            t = (BEGIN + k * 600) * 1000
            parts = [remote.series(labels, [(t + i % 7, value_of(i, k))])
                     for i, labels in enumerate(series_of(12)) if i % 6 != 5 or k < 15]
            if suite == "sid" and k >= 6:
                parts.append(remote.series({"__name__": "native"}, [], histogram(t, k)))
            status, text = remote.write(prometheus, *parts)
            assert status == 204, text
        deadline = time.monotonic() + 30
        while len(blocks(data)) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(2)
        for match, start, end in (('many{id="1"}', BEGIN + 1000, BEGIN + 5000), ('many{id="2"}', BEGIN, BEGIN + HOUR * 9),
                                  ('{room="k\u00fcche"}', BEGIN, BEGIN + 100), ('{room="k\u00fcche"}', BEGIN + 900, BEGIN + 2000)):
            status, _, _ = prometheus.request("/api/v1/admin/tsdb/delete_series",
                                              [("match[]", match), ("start", start), ("end", end)], "POST")
            assert status == 204
        assert prometheus.stop() == 0
    os.mkdir(out)
    for name in blocks(data):
        shutil.move(os.path.join(data, name), out)
    shutil.rmtree(data)


def compacted(suite, out, fill, deletions):
    """What Prometheus makes of blocks: in/ holds them with their deletions, out/ the one made of them."""
    data = out + ".data"
    fill(suite, data)
    os.makedirs(out)
    with programs.Prometheus("", "--web.enable-admin-api", "--storage.tsdb.retention.time=100y", suite=suite,
                             data=data) as prometheus:
        for match, start, end in deletions:
            status, _, text = prometheus.request("/api/v1/admin/tsdb/delete_series",
                                                 [("match[]", match), ("start", start), ("end", end)], "POST")
            assert status == 204, text
        had = blocks(data)
        shutil.copytree(data, out + ".in")
        deadline = time.monotonic() + 120
        while set(blocks(data)) >= set(had) and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        assert prometheus.stop() == 0
    os.mkdir(os.path.join(out, "in"))
    os.mkdir(os.path.join(out, "out"))
    new = [b for b in blocks(data) if b not in had]
    assert len(new) == 1, new
    for name in set(had) - set(blocks(data)):
        shutil.move(os.path.join(out + ".in", name), os.path.join(out, "in"))
    shutil.move(os.path.join(data, new[0]), os.path.join(out, "out"))


def compacted_windows(suite, out):
    """Three blocks of two hours become one of six. Chunks are copied, but those that deletions touch."""
    compacted(suite, out, lambda suite, data: openmetrics(suite, data, 60), [
        ('many{id="1"}', BEGIN + 1000, BEGIN + 5000), ('many{id="2"}', BEGIN, BEGIN + 9 * HOUR),
        ('many{shard="1"}', BEGIN + 3 * HOUR, BEGIN + 3 * HOUR), ("special", BEGIN + 2 * HOUR, BEGIN + 4 * HOUR)])


def compacted_overlaps(suite, out):
    """Five blocks of the same hours: samples at the same times with other values, equal chunks, deletions."""
    compacted(suite, out, overlap, [('tied{i="3"}', BEGIN + 600, BEGIN + 900), ('tied{i="4"}', BEGIN, BEGIN + HOUR)])


def blocks(folder):
    return sorted(n for n in os.listdir(folder) if len(n) == 26)


CASES = {
    "promtool-2.42": (openmetrics, "release"),
    "promtool-3.5": (openmetrics, "sid"),
    "overlap-3.5": (overlap, "sid"),
    "compacted-overlaps-3.5": (compacted_overlaps, "sid"),
    "compacted-windows-3.5": (compacted_windows, "sid"),
    "prometheus-2.42": (server, "release"),
    "prometheus-3.5": (server, "sid"),
}


def make(name):
    how, suite = CASES[name]
    with tempfile.TemporaryDirectory(prefix="ferula-blocks-") as folder:
        out = os.path.join(folder, name)
        how(suite, out)
        kept = os.path.join(HERE, name)
        shutil.rmtree(kept, ignore_errors=True)
        if name.startswith("compacted-"):
            shutil.move(out, kept)
            return
        os.makedirs(os.path.join(out, "wal"), exist_ok=True)  # promtool insists
        dump = subprocess.run([programs.peer(f"{suite}/promtool"), "tsdb", "dump", out], check=True,
                              stdout=subprocess.PIPE)
        os.mkdir(kept)
        for block in blocks(out):
            shutil.move(os.path.join(out, block), kept)
        with open(os.path.join(kept, "dump.txt"), "wb") as file:
            file.write(dump.stdout)
    for block in blocks(kept):
        with open(os.path.join(kept, block, "meta.json"), encoding="utf-8") as file:
            print(name, json.load(file)["stats"])


for chosen in sys.argv[1:] or CASES:
    make(chosen)
