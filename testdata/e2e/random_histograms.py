"""Native histograms for random queries: exponential and custom, integer and float, counters and gauges, with resets,
gaps, stale markers, changes of schema and of bounds, beside floats of the same name or in the same series.

`Data` has them together with the floats of promql_random.Data; `Queries` asks about both. `block` has a Prometheus
3.5 write them into a block.
"""

import importlib.util
import json
import math
import os
import shutil

import programs
import promql_random
import remote

_SPEC = importlib.util.spec_from_file_location("histograms_make", os.path.join(programs.ROOT, "testdata", "histograms", "make.py"))
make = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make)

FLAGS = ("--web.enable-remote-write-receiver", "--web.enable-admin-api", "--enable-feature=native-histograms")
BOUNDS = {"api": [0.1, 0.5, 1.0, 2.5], "db": [0.5, 1.0, 5.0], "web": [-1.0, 0.0, 0.25, 1.0, 10.0]}
LES = ("0.1", "0.5", "1", "2.5", "+Inf")


class Data(promql_random.Data):
    """As the floats are; a value of a series may also be a histogram."""

    def __init__(self, seed, start_s):
        super().__init__(seed, start_s)
        for job in ("api", "db", "web"):
            for i in range(2):
                instance = {"job": job, "instance": f"{job}-{i}:90"}
                self.add("rpc_seconds", {**instance, "code": "200"}, self.exponential(schema=i))
                self.add("rpc_seconds", {**instance, "code": "500"}, self.exponential(schema=3 - 2 * i, reset_chance=0.04))
                self.add("rpc_float_seconds", instance, self.exponential(schema=2, is_float=True, threshold=0.001 if i else 2.0 ** -128))
            self.add("pool_bytes", {"job": job}, self.gauges(is_float=job == "db"))
            self.add("custom_seconds", {"job": job}, self.customs(BOUNDS[job], is_float=job == "web"))
            self.add("custom_seconds", {"job": job, "kind": "same"}, self.customs(BOUNDS["api"], reset_chance=0.02))
            self.add("both_seconds", {"job": job}, self.exponential(schema=0))
            for le in LES:
                self.add("both_seconds_bucket", {"job": job, "le": le}, self.bucket(le))
        self.add("both_seconds", {"job": "api", "le": "1"}, self.exponential(schema=1))
        self.add("both_seconds", {"job": "db", "le": "+Inf"}, self.bucket("1"))
        self.add("mixed", {"job": "api"}, self.turns(self.gauge(), self.exponential(schema=1)))
        self.add("mixed", {"job": "db"}, self.exponential(schema=0))
        self.add("mixed", {"job": "web"}, self.counter(0.2))
        self.add("mixed", {"job": "web", "kind": "custom"}, self.turns(self.customs(BOUNDS["db"]), self.counter(0.0)))
        self.add("changing", {"job": "api"}, self.halves(self.exponential(schema=3), self.exponential(schema=1)))
        self.add("changing", {"job": "db"}, self.halves(self.exponential(schema=1, threshold=0.01), self.exponential(schema=1, threshold=0.5)))
        self.add("changing", {"job": "web"}, self.halves(self.customs(BOUNDS["web"]), self.customs(BOUNDS["api"])))
        self.add("changing", {"job": "web", "kind": "custom"}, self.halves(self.exponential(schema=0), self.customs(BOUNDS["api"])))
        self.add("strange", {"kind": "nan"}, self.totals(math.nan, 1.5))
        self.add("endless", {"kind": "inf"}, self.totals(math.inf, -math.inf, 2.0))
        self.add("tiny", {"job": "api"}, self.scaled(2.0 ** -400))
        self.add("huge", {"job": "api"}, self.scaled(2.0 ** 400))
        self.add("strange", {"kind": "empty"}, lambda k: make.Histogram({}, zero=k // 50, total=0.0))
        self.add("strange", {"kind": "negative"}, self.exponential(schema=0, low=True))

    def exponential(self, schema, is_float=False, reset_chance=0.0, threshold=2.0 ** -128, low=False):
        """A counter; buckets come as they are first hit, after a reset too. It is far from zero from the start, as
        Prometheus 3.14 stops extrapolating there and 3.5 does not. Counts and sums are multiples of 1/4: adding them
        is exact, however it is done."""
        unit = 0.25 if is_float else 1
        lowest = max(-3 * (schema + 1), math.floor(math.log2(threshold)) * 2 ** schema + 1)  # behind the zero bucket
        base = self.bases()
        state = {"pos": {1: next(base)}, "neg": {}, "zero": 0, "total": 0.0}

        def value(_k):
            if self.random.random() < reset_chance:
                state.update(pos={1: next(base)}, neg={}, zero=0, total=0.0)
            for _ in range(self.random.randrange(0, 4)):
                side = state["neg" if low and self.random.random() < 0.7 else "pos"]
                n = self.random.randrange(1, 9) * unit
                bucket = self.random.randrange(lowest, 4 * (schema + 1))
                side[bucket] = side.get(bucket, 0) + n
                state["total"] += n * self.random.choice((0.25, 1, 2, 3))
            state["zero"] += self.random.randrange(0, 2) * unit
            return make.Histogram(dict(state["pos"]), dict(state["neg"]), zero=state["zero"], schema=schema, is_float=is_float,
                                  threshold=threshold, total=state["total"])

        return value

    def bases(self):
        """Where a counter begins, and begins again: so far down each time that what it had is far from zero beside it."""
        n = 2 ** self.random.choice((32, 36, 40))
        while True:
            yield n
            n = max(n // 8, 4096)

    def customs(self, bounds, is_float=False, reset_chance=0.0):
        unit = 0.5 if is_float else 1
        base = self.bases()
        state = {"counts": {2: next(base)}, "total": 0.0}

        def value(_k):
            if self.random.random() < reset_chance:
                state.update(counts={2: next(base)}, total=0.0)
            for _ in range(self.random.randrange(0, 3)):
                bucket = self.random.randrange(0, len(bounds) + 1)
                state["counts"][bucket] = state["counts"].get(bucket, 0) + self.random.randrange(1, 5) * unit
                state["total"] += self.random.choice((0.25, 1, 3))
            return make.Histogram(dict(state["counts"]), schema=make.CUSTOM, custom=bounds, is_float=is_float, total=state["total"])

        return value

    def gauges(self, is_float):
        def value(_k):
            pos = {b: self.random.randrange(1, 30) / (4 if is_float else 1) for b in range(-4, 5) if self.random.random() < 0.6}
            pos[0] = self.random.randrange(5000, 6000)  # far from zero, as above
            neg = {b: self.random.randrange(1, 9) for b in range(3) if self.random.random() < 0.4}
            pos = pos if is_float else {b: int(n) for b, n in pos.items()}
            return make.Histogram(pos, neg, zero=self.random.randrange(3), schema=1, is_float=is_float, hint=make.GAUGE,
                                  total=round(self.random.gauss(0, 9) * 4) / 4)

        return value

    def totals(self, *totals):
        inner = self.exponential(schema=0, is_float=True)

        def value(k):
            h = inner(k)
            h.total = totals[k % len(totals)]
            return h

        return value

    def scaled(self, factor):
        return lambda k: make.Histogram({0: factor * (k % 7), 2: factor * 3}, zero=factor * (k % 3), is_float=True, total=factor * k)

    @staticmethod
    def turns(first, second):
        return lambda k: (first, second)[k // 12 % 2](k)

    @staticmethod
    def halves(first, second):
        return lambda k: (first if k < promql_random.POINTS // 2 else second)(k)

    def stale_after(self, points):
        last = points[-1][1] if points else None
        return make.stale(last.is_float) if isinstance(last, make.Histogram) else remote.STALE

    def requests(self):
        """Messages of remote write 1.0, one list a request: Prometheus 3.5 stores the floats of a request before its
        histograms, so a series that changes between them is sent in several."""
        rounds = []
        for labels, points in self.series:
            at, part = 0, []
            for t, v in points + [(None, None)]:
                if part and (t is None or isinstance(v, make.Histogram) != isinstance(part[0][1], make.Histogram)):
                    if at == len(rounds):
                        rounds.append([])
                    rounds[at].append(message(labels, part))
                    at, part = at + 1, []
                part.append((t, v))
        return rounds


def message(labels, points):
    if isinstance(points[0][1], make.Histogram):
        return remote.series(labels, (), b"".join(remote.field(4, h.wire(t)) for t, h in points))
    return remote.series(labels, points)


def block(data, folder):
    """A directory with one block of all the data, made by Prometheus 3.5."""
    with programs.Prometheus("", *FLAGS, suite="sid") as server:
        for messages in data.requests():
            status, text = remote.write(server, *messages)
            assert status == 204, text
        status, _, body = server.request("/api/v1/admin/tsdb/snapshot", method="POST")
        assert status == 200, body
        name = json.loads(body)["data"]["name"]
        shutil.copytree(os.path.join(server.data, "snapshots", name), folder)


NAMES = ("rpc_seconds", "rpc_seconds", "rpc_float_seconds", "pool_bytes", "custom_seconds", "custom_seconds", "both_seconds",
         "both_seconds_bucket", "mixed", "mixed", "changing", "strange", "endless", "tiny", "huge", "http_requests_total", "temperature", "missing")
PARTS = ("histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar")


FAR = ("rpc_seconds", "rpc_float_seconds", "custom_seconds", "both_seconds", "both_seconds_bucket", "http_requests_total")


class Queries(promql_random.Queries):
    names = NAMES

    def range_call(self, function, depth):
        """Where histograms are near zero, Prometheus 3.5 extrapolates them further: what is made of that would differ."""
        if function not in ("rate", "increase"):
            return super().range_call(function, depth)
        text = self.pick(*FAR) + self.pick("", '{job="api"}', '{job=~"a.*|web"}', '{code="500"}', '{kind=""}')
        if self.random.random() < 0.1:
            return f"{function}(({text})[{self.duration()}:{self.pick('', '15s', '30s')}]{self.modifiers()})"
        return f"{function}({text}[{self.duration()}]{self.modifiers()})"

    def next(self):
        if self.random.random() < 0.03:
            return f"{self.pick('rate', 'increase')}({self.matrix(0)})", False
        if self.random.random() < 0.02:
            return f"{self.selector()} {self.pick('^', 'atan2')} {self.pick('2', '0.5', '-1')}", True
        text, inexact = super().next()
        while "avg" in text and "endless" in text and "histogram_" in text:  # a mean of 3.5 has infinite minus infinite in it
            text, inexact = super().next()
        return text, inexact

    def shapes(self):
        return super().shapes() + [self.part, self.part, self.quantile, self.fraction, self.two, self.scaled, self.summed]

    def bound(self):
        return self.pick("0", "0.5", "1", "2", "-1", "1e-3", "100", "Inf", "-Inf", "NaN")

    def part(self, depth):
        return f"{self.random.choice(PARTS)}({self.vector(depth)})"

    def quantile(self, depth):
        return f"histogram_quantile({self.pick('0.5', '0.9', '0.99', '0', '1', '-1', '2', 'NaN', '0.001')}, {self.vector(depth)})"

    def fraction(self, depth):
        return f"histogram_fraction({self.bound()}, {self.bound()}, {self.vector(depth)})"

    def two(self, _depth):
        """Operators between series that match."""
        name, other = self.pick(*self.names), self.pick(*self.names)
        other = self.pick(name, name, other)
        operator = self.pick("+", "-", "+", "-", "==", "!=", "== bool", "!= bool", "*", "/", "<", "and", "unless", "or", "%")
        if operator in ("and", "unless", "or"):
            return f"{name} {operator} {other}{self.modifiers()}"
        return f"{name}{self.modifiers()} {operator}{self.pick('', '', ' on (job, instance, code)', ' ignoring (kind)')} {other}{self.modifiers()}"

    def scaled(self, depth):
        return f"({self.vector(depth)}) {self.pick('*', '/')} {self.scalar()}"

    def summed(self, _depth):
        inner = self.pick(self.selector(), self.range_call(self.pick("rate", "increase", "delta", "irate", "idelta"), 0))
        text = f"{self.pick('sum', 'avg')}{self.grouping()} ({inner})"
        return self.pick(text, f"histogram_quantile({self.pick('0.5', '0.99')}, {text})", f"{self.random.choice(PARTS)}({text})")
