#!/usr/bin/env python3
"""Makes the golden block of native histograms beside this file with a real Prometheus 3.5.

Histograms of all kinds are remote-written to it; then it writes a block of its head (snapshot API). prometheus-3.5/
holds that block and sent.txt, in lines:

    series NAME
    histogram TIME_MS i|f HINT SCHEMA ZERO_THRESHOLD ZERO_COUNT COUNT SUM POS_SPANS POS NEG_SPANS NEG BOUNDS

Numbers but for time, hint and schema are 64 bits in hex: counts and bucket deltas of integer histograms (i), bits of
doubles elsewhere. Lists are joined by commas, spans are OFFSET:LENGTH, an empty list is -. A new run makes the same
chunks under another ULID. Needs dev.d/peers; stdlib only.
"""

import importlib.util
import json
import os
import random
import shutil
import struct
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("wal_make", os.path.join(HERE, "../wal/make.py"))
WAL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(WAL)

HOUR = 3_600_000
BEGIN = 1_700_000_000_000 // (2 * HOUR) * (2 * HOUR) + 20 * 60_000
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
UNKNOWN, RESET, NO_RESET, GAUGE = range(4)
CUSTOM = -53


def bits(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def spans_of(indices):
    """[(offset, length)] of ascending bucket indices."""
    out, last = [], None
    for i in indices:
        if last is not None and i == last + 1:
            out[-1][1] += 1
        else:
            out.append([i if last is None else i - last - 1, 1])
        last = i
    return [tuple(s) for s in out]


class Histogram:
    """Buckets as {index: count}; those given are all there, empty ones too."""

    def __init__(self, pos, neg=None, zero=0, schema=0, threshold=2.0 ** -128, total=None, is_float=False,
                 hint=UNKNOWN, custom=(), count=None):
        self.pos, self.neg, self.zero, self.schema = pos, neg or {}, zero, schema
        self.threshold, self.is_float, self.hint, self.custom = threshold, is_float, hint, list(custom)
        self.count = sum(pos.values()) + sum(self.neg.values()) + zero if count is None else count
        self.total = 1.5 * self.count if total is None else total
        if schema == CUSTOM:
            self.threshold = 0.0

    def side(self, buckets):
        """Spans and the buckets as the wire has them."""
        indices = sorted(buckets)
        counts = [buckets[i] for i in indices]
        if not self.is_float:
            counts = [c - (counts[k - 1] if k else 0) for k, c in enumerate(counts)]
        return spans_of(indices), counts

    def line(self, t):
        def num(v):
            return f"{bits(v) if self.is_float else v & (1 << 64) - 1:x}"

        def listed(texts):
            return ",".join(texts) or "-"

        parts = [f"{bits(self.threshold):x}", num(self.zero), num(self.count), f"{bits(self.total):x}"]
        for buckets in (self.pos, self.neg):
            spans, counts = self.side(buckets)
            parts += [listed(f"{o}:{n}" for o, n in spans), listed(num(c) for c in counts)]
        parts.append(listed(f"{bits(b):x}" for b in self.custom))
        return f"histogram {t} {'f' if self.is_float else 'i'} {self.hint} {self.schema} {' '.join(parts)}\n"

    def wire(self, t):
        def key(number, kind):
            return WAL.uvarint(number << 3 | kind)

        def zigzag(v):
            return WAL.uvarint(v << 1 if v >= 0 else (-v << 1) - 1)

        def double(number, v):
            return key(number, 1) + struct.pack("<d", v)

        def packed(number, parts):
            body = b"".join(parts)
            return key(number, 2) + WAL.uvarint(len(body)) + body if body else b""

        out = double(2, self.count) if self.is_float else key(1, 0) + WAL.uvarint(self.count)
        out += double(3, self.total) + key(4, 0) + zigzag(self.schema) + double(5, self.threshold)
        out += double(7, self.zero) if self.is_float else key(6, 0) + WAL.uvarint(self.zero)
        for buckets, span_field in ((self.neg, 8), (self.pos, 11)):
            spans, counts = self.side(buckets)
            for offset, length in spans:
                out += packed(span_field, [key(1, 0), zigzag(offset), key(2, 0), WAL.uvarint(length)])
            if self.is_float:
                out += packed(span_field + 2, [struct.pack("<d", c) for c in counts])
            else:
                out += packed(span_field + 1, [zigzag(c) for c in counts])
        out += key(14, 0) + WAL.uvarint(self.hint) + key(15, 0) + WAL.uvarint(t)
        return out + packed(16, [struct.pack("<d", b) for b in self.custom])


def stale(is_float=False):
    return Histogram({}, is_float=is_float, total=STALE, threshold=0.0)


# ---- what is sent: generators of one Histogram a step ----

def growing(rng, buckets, n, is_float=False, **more):
    """A counter whose buckets all grow."""
    counts = dict.fromkeys(buckets, 0.0 if is_float else 0)
    zero = 0
    for _ in range(n):
        for b in counts:
            counts[b] += rng.randrange(20) * (0.25 if is_float else 1)
        zero += rng.randrange(2)
        yield Histogram(dict(counts), zero=0 if "custom" in more else zero, is_float=is_float, **more)


def widening(rng, n, is_float=False):
    """New buckets appear, on both sides; now and then a sender leaves out its empty ones."""
    pos, neg, zero = {0: 1}, {}, 0
    for i in range(n):
        if i % 13 == 5:
            pos.setdefault(rng.randrange(-8, 8), 0)
        if i % 17 == 9:
            neg.setdefault(rng.randrange(-4, 4), 0)
        if i > n // 2 and i % 11 == 0:
            pos = {b: c for b, c in pos.items() if c}
        for side in (pos, neg):
            for b in side:
                if rng.random() < 0.3:
                    side[b] += rng.randrange(1, 9)
        zero += i % 3
        yield Histogram(dict(pos), dict(neg), zero=zero, is_float=is_float)


def missing_empty(is_float=False):
    """The chunk has empty buckets that later samples lack; then samples have all and new ones.

    Samples that lack some and have new ones are left out: Prometheus 3.5 confuses their buckets (its issue 16893)."""
    for i in range(10):
        yield Histogram({1: 5 + i, 2: 0, 3: 0, 6: 7 + i, 9: 0}, {4: 0}, is_float=is_float)
    for i in range(10, 20):
        yield Histogram({1: 5 + i, 6: 7 + i}, is_float=is_float)
    for i in range(20, 30):
        yield Histogram({1: 5 + i, 2: 0, 3: 0, 4: i, 6: 7 + i, 9: 0, 12: 1 + i}, {-2: i, 4: 0}, is_float=is_float)


def resets(is_float=False):
    """All that ends a chunk: resets of each kind, said and seen; schema, threshold, staleness, gauges."""
    def h(k, **more):
        return Histogram({1: 10 + k, 3: 20 + k}, zero=5 + k, is_float=is_float, **more)

    yield from (h(i) for i in range(5))
    yield from (h(i) for i in range(3))  # the count fell
    yield Histogram({1: 100, 3: 10}, zero=9, is_float=is_float)  # one bucket fell, the count did not
    yield Histogram({1: 300}, zero=10, is_float=is_float)  # one in use is gone
    yield Histogram({1: 400}, zero=2, is_float=is_float)  # the zero bucket fell
    yield Histogram({1: 500}, zero=3, is_float=is_float, hint=RESET)
    yield Histogram({1: 600}, zero=3, is_float=is_float, hint=NO_RESET)
    yield Histogram({1: 700}, zero=3, is_float=is_float, schema=3)
    yield Histogram({1: 800}, zero=3, is_float=is_float, schema=3, threshold=0.001)
    yield stale(is_float)
    yield stale(is_float)
    yield Histogram({1: 900}, zero=3, is_float=is_float, schema=3, threshold=0.001)
    yield Histogram({1: 5}, zero=3, is_float=is_float, schema=3, threshold=0.001, hint=GAUGE)
    yield Histogram({1: 4}, zero=3, is_float=is_float, schema=3, threshold=0.001, hint=GAUGE)
    yield Histogram({1: 10}, zero=3, is_float=is_float, schema=3, threshold=0.001)
    yield stale(is_float)
    yield Histogram({1: 1}, zero=3, is_float=is_float, schema=-4, threshold=0.0)


def gauges(rng, n, is_float=False):
    """Everything may fall and every bucket go."""
    for i in range(n):
        pos = {b: rng.randrange(50) for b in range(-3, 6) if rng.random() < (0.9 if i % 9 else 0.4)}
        neg = {b: rng.randrange(9) for b in range(2) if i % 5 == 0}
        if is_float:
            pos = {b: c / 3 for b, c in pos.items()}
        yield Histogram(pos, neg, zero=rng.randrange(4), is_float=is_float, hint=GAUGE, total=rng.gauss(0, 9))


def custom(rng, is_float=False):
    """Bounds of each coding; then other bounds."""
    bounds = [-1.5, 0.0, 0.001, 0.25, 1.0, 33554.43, 33554.431, 1 / 3 * 1e6, 1e9]
    yield from growing(rng, [0, 1, 2, 4, 7, 9], 30, is_float, schema=CUSTOM, custom=bounds)
    yield from growing(rng, [0, 1, 2], 12, is_float, schema=CUSTOM, custom=bounds[2:6])


def extremes(is_float=False):
    """Numbers of every class of the codes."""
    big = [1, 9, 80, 700, 5000, 300_000, 40_000_000, 2 ** 50, 2 ** 58]
    for i, v in enumerate(big):
        yield Histogram({-2_000_000: 1, 0: v, 90_000: v}, {7: 1}, schema=8 - i, is_float=is_float,
                        threshold=2.0 ** (10 - i * 31))
        for k in range(3):
            yield Histogram({-2_000_000: 1, 0: v * (k + 2), 90_000: v + k}, {7: 1 + k}, schema=8 - i,
                            is_float=is_float, threshold=2.0 ** (10 - i * 31), total=(-1.0) ** k * v / 7)


def many_buckets(rng, n, is_float=False):
    """160 buckets: chunks full of bytes before they have ten samples."""
    yield from growing(rng, range(-20, 140), n, is_float, schema=4)


def quickening(rng):
    """Every minute, then every second: what was foreseen of the chunk's end is wrong."""
    return growing(rng, range(3), 500)


def times_of(name, n):
    if name == "quickening":
        return [60_000 * i if i < 40 else 60_000 * 40 + 1000 * i for i in range(n)]
    if name == "sparse":
        return [300_000 * i for i in range(n)]
    rng = random.Random(name)
    return [15_000 * i + rng.choice([0, 0, 0, 3, -7, 2000]) for i in range(n)]


def cases():
    rng = random.Random(6)
    out = {
        "custom": custom(rng),
        "steady": growing(rng, range(-4, 16), 160),
        "sparse": growing(rng, [0, 1, 5], 30),
        "extremes": extremes(),
        "gauges": gauges(rng, 60),
        "many": many_buckets(rng, 24),
        "missing": missing_empty(),
        "quickening": quickening(rng),
        "resets": resets(),
        "widening": widening(rng, 90),
    }
    floats = {
        "custom_float": custom(rng, True),
        "steady_float": growing(rng, range(-4, 8), 100, True),
        "extremes_float": extremes(True),
        "gauges_float": gauges(rng, 40, True),
        "many_float": many_buckets(rng, 14, True),
        "missing_float": missing_empty(True),
        "resets_float": resets(True),
        "widening_float": widening(rng, 50, True),
    }
    out.update(floats)
    return {name: list(zip(times_of(name, 10 ** 3), h)) for name, h in out.items()}


def send(prometheus, series):
    """All series side by side in time, ten minutes a request."""
    def field(number, payload):
        return WAL.uvarint(number << 3 | 2) + WAL.uvarint(len(payload)) + payload

    last = max(t for samples in series.values() for t, _ in samples)
    for end in range(600_000, last + 600_001, 600_000):
        body = b""
        for name, samples in series.items():
            part = [h.wire(BEGIN + t) for t, h in samples if end - 600_000 <= t + 10 < end]
            if part:
                labels = field(1, field(1, b"__name__") + field(2, name.encode()))
                body += field(1, labels + b"".join(field(4, p) for p in part))
        packed = WAL.uvarint(len(body))
        for i in range(0, len(body), 60):
            packed += bytes([(len(body[i:i + 60]) - 1) << 2]) + body[i:i + 60]
        prometheus.get("/api/v1/write", packed, {
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0"})


def make(name, suite):
    series = cases()
    out = os.path.join(HERE, name)
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        p = WAL.Prometheus(work, suite, ["--web.enable-remote-write-receiver", "--web.enable-admin-api",
                                         "--enable-feature=native-histograms"], "")
        try:
            send(p, series)
            folder = json.loads(p.get("/api/v1/admin/tsdb/snapshot", data=b""))["data"]["name"]
        finally:
            p.stop()
        block = os.listdir(f"{work}/data/snapshots/{folder}")[0]
        shutil.copytree(f"{work}/data/snapshots/{folder}/{block}", f"{out}/{block}")
    with open(f"{out}/sent.txt", "w", encoding="ascii") as f:
        for series_name, samples in series.items():
            f.write(f"series {series_name}\n")
            f.writelines(h.line(BEGIN + t) for t, h in samples)
    print(name)


if __name__ == "__main__":
    make("prometheus-3.5", "sid")
