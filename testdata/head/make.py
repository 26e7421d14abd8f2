#!/usr/bin/env python3
"""Makes chunks.txt beside this file: samples, and the chunks a real Prometheus 3.5 cut from them.

The samples are remote-written to it; after a minute it writes its full chunks to chunks_head/, from where
they are taken. chunks.txt then holds per series, in lines:

    series NAME
    sample TIME_MS VALUE_BITS_HEX       as sent
    chunk MINT MAXT BYTES_HEX           as cut; the samples behind the last one were in the open chunk

Everything is fixed: a new run makes the same file. Needs dev.d/peers; stdlib only.
"""

import importlib.util
import os
import random
import struct
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("wal_make", os.path.join(HERE, "../wal/make.py"))
WAL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(WAL)

HOUR = 3_600_000
BEGIN = 1_700_000_000_000 // (2 * HOUR) * (2 * HOUR) + 20 * 60_000
SPAN = int(2.8 * HOUR)  # short of what makes the head compact
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def steady(step, value, begin=0, end=SPAN):
    return [(BEGIN + t, value(i)) for i, t in enumerate(range(begin, end, step))]


def jittered(rng):
    return [(t + rng.randrange(-400, 400), v + 0.1) for t, v in steady(15_000, lambda i: i * i)]


def quickening():
    """Slow for a quarter of a chunk, which foresees a long one, then fast: the cap on samples."""
    slow = steady(60_000, lambda i: i, end=30 * 60_000)
    return slow + [(slow[-1][0] + (i + 1) * 1000, i % 3) for i in range(600)]


def cases():
    rng = random.Random(5)
    return {
        "counter": steady(15_000, lambda i: i * 7),
        "random_doubles": steady(15_000, lambda i: struct.unpack("<d", struct.pack("<Q", rng.getrandbits(62)))[0]),
        "gauge": steady(15_000, lambda i: (i * 31 % 1000) * 0.25),
        "jitter": jittered(rng),
        "minutes": steady(60_000, lambda i: i * i * 0.37),
        "sparse": steady(300_000, lambda i: i),
        "late_start": steady(10_000, lambda i: i, begin=HOUR + 12_345),
        "every_second": steady(1_000, lambda i: 1.0, end=700_000),
        "quickening": quickening(),
        "stale": steady(15_000, lambda i: STALE if i % 50 > 44 else i),
    }


def chunks_of(path):
    """Records of a chunks_head file: (series ref, mint, maxt, bytes); FORMAT of Prometheus' head chunks."""
    with open(path, "rb") as f:
        data = f.read()
    at = 8
    while at + 34 <= len(data):
        ref, mint, maxt, enc = struct.unpack(">QqqB", data[at:at + 25])
        if ref == 0:
            return
        at += 25
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 0x7F) << shift
            shift += 7
            if b < 0x80:
                break
        assert enc == 1
        yield ref, mint, maxt, data[at:at + n]
        at += n + 4


def send(prometheus, series):
    """All series side by side in time, as the head wants them."""
    at = {name: 0 for name in series}
    for end in range(BEGIN, BEGIN + SPAN + 5 * 60_000, 5 * 60_000):
        request = []
        for name, samples in series.items():
            i = at[name]
            while at[name] < len(samples) and samples[at[name]][0] < end:
                at[name] += 1
            if at[name] > i:
                request.append(({"__name__": name}, samples[i:at[name]]))
        if request:
            WAL.remote_write(prometheus, request)


def main():
    series = cases()
    with tempfile.TemporaryDirectory() as work:
        p = WAL.Prometheus(work, "sid", ["--web.enable-remote-write-receiver"], "")
        send(p, series)
        folder = f"{work}/data/chunks_head"
        for _ in range(150):
            time.sleep(1)
            if os.listdir(folder):
                break
        time.sleep(2)
        p.stop()
        found = {}
        for name in sorted(os.listdir(folder)):
            for ref, mint, maxt, data in chunks_of(f"{folder}/{name}"):
                found.setdefault(ref, []).append((mint, maxt, data))
    with open(f"{HERE}/chunks.txt", "w", encoding="ascii") as f:
        # Refs are given in the order in which series came: those of the first request, then the late one.
        names = sorted(series, key=lambda n: (series[n][0][0] > BEGIN + HOUR, list(series).index(n)))
        refs = {name: ref for ref, name in enumerate(names, 1)}
        for name, samples in series.items():
            f.write(f"series {name}\n")
            for t, v in samples:
                f.write(f"sample {t} {bits(v):016x}\n")
            for mint, maxt, data in found.get(refs[name], []):
                f.write(f"chunk {mint} {maxt} {data.hex()}\n")


if __name__ == "__main__":
    main()
