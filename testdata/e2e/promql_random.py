"""Random PromQL, seeded: type-correct by construction, and now and then spoilt on purpose.

`Data` makes the samples the queries are about: counters with resets, gauges with gaps, stale markers,
NaN and Inf, classic histograms, names outside the legacy charset. `Queries` makes expressions over them
that Prometheus 3.5 knows.
"""

import math
import random

import remote

STEP_S = 15
POINTS = 240  # an hour


class Data:
    def __init__(self, seed, start_s):
        self.random = random.Random(seed)
        self.start_s = start_s
        self.end_s = start_s + POINTS * STEP_S
        self.series = []  # (labels, [(ms, value)])
        for job in ("api", "db", "web"):
            for i in range(3):
                instance = {"job": job, "instance": f"{job}-{i}:90"}
                self.add("http_requests_total", {**instance, "code": "200"}, self.counter(0.0))
                self.add("http_requests_total", {**instance, "code": "500"}, self.counter(0.3))
                self.add("temperature", {**instance, "zone": "ab"[i % 2]}, self.gauge())
                self.add("up", instance, lambda k: float(self.random.random() > 0.1))
            self.add("limit", {"job": job}, lambda k: 50.0)
            for le in ("0.1", "0.5", "1", "2.5", "+Inf"):
                self.add("latency_seconds_bucket", {"job": job, "le": le}, self.bucket(le))
        self.add("odd", {"job": "api", "kind": "nan"}, lambda k: math.nan if k % 3 == 0 else float(k))
        self.add("odd", {"job": "api", "kind": "inf"}, lambda k: (math.inf, -math.inf, 1.5)[k % 3])
        self.add("odd", {"job": "db", "kind": "huge"}, lambda k: 1e300 * (k % 7 - 3))
        self.add("odd", {"job": "db", "kind": "tiny"}, lambda k: 1e-300 * (k % 5))
        self.add("with.dots", {"job": "api", "a label": "ü"}, self.gauge())
        self.add("sparse", {"job": "web"}, lambda k: float(k) if k % 30 == 0 else None)
        self.add("ends", {"job": "web"}, lambda k: (1.0 if k < 100 else remote.STALE if k == 100 else None))

    def add(self, name, labels, value_of):
        points = []
        gap_until = 0
        for k in range(POINTS):
            if gap_until <= k and self.random.random() < 0.003:
                gap_until = k + self.random.randrange(2, 40)
                points.append((self.ms(k), self.stale_after(points)))
                continue
            v = value_of(k)
            if v is not None and k >= gap_until:
                points.append((self.ms(k), v))
        self.series.append(({"__name__": name, **labels}, points))

    def stale_after(self, _points):
        return remote.STALE

    def ms(self, k):
        # Timestamps as scrapes have them: a few ms off the grid, now and then exactly on it.
        return (self.start_s + k * STEP_S) * 1000 + self.random.choice((0, 0, 0, 3, 7, 11))

    def counter(self, reset_chance):
        state = {"v": 0.0}

        def value(_k):
            if self.random.random() < reset_chance / 10:
                state["v"] = 0.0
            state["v"] += self.random.choice((0, 1, 1, 2, 17, 0.5, 0.1))
            return state["v"]

        return value

    def gauge(self):
        return lambda k: round(20 + 5 * math.sin(k / 10) + self.random.gauss(0, 1), self.random.randrange(1, 8))

    def bucket(self, le):
        share = {"0.1": 2, "0.5": 5, "1": 8, "2.5": 9, "+Inf": 10}[le]
        return lambda k: float(k * share + (self.random.random() < 0.01))

    def requests(self):
        """The messages of remote write 1.0, a list for each request."""
        return [[remote.series(labels, points) for labels, points in self.series]]


LABELS = ["job", "instance", "code", "zone", "kind", "le", "nope"]
OVER_TIME = ["avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time",
             "stddev_over_time", "stdvar_over_time", "present_over_time", "absent_over_time", "mad_over_time"]
RANGE = ["rate", "increase", "delta", "irate", "idelta", "resets", "changes", "deriv"]
SIMPLE = ["abs", "ln", "log2", "log10", "ceil", "floor", "sgn", "sqrt", "timestamp", "sort", "sort_desc", "absent", "deg", "rad"]
INEXACT = ["exp", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh",
           "acosh", "atanh"]  # may differ in the last bits: only used alone
DATES = ["minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"]
AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]


class Queries:
    names = ("http_requests_total", "http_requests_total", "temperature", "temperature", "up", "limit",
             "latency_seconds_bucket", "odd", "sparse", "ends", "missing")
    labels = LABELS

    def __init__(self, seed, data):
        self.random = random.Random(seed)
        self.data = data

    def pick(self, *choices):
        return self.random.choice(choices)

    def some(self, labels):
        return ", ".join(self.random.sample(labels, self.random.randrange(0, 3)))

    def matchers(self):
        ret = []
        for _ in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            ret.append(self.pick('job="api"', 'job!="db"', 'job=~"a.*|web"', 'job!~"(api|db)"', 'code="500"', 'zone=""',
                                 'instance=~".*-[01]:90"', 'kind!=""', 'nope=""', 'nope!="x"', 'job=~".+"'))
        return ret

    def selector(self):
        name = self.pick(*self.names)
        matchers = self.matchers()
        shape = self.random.random()
        if shape < 0.05:
            return '{"with.dots"' + "".join(f", {m}" for m in matchers) + "}"
        if shape < 0.1:
            return '{__name__=~"' + name[:4] + '.*"' + "".join(f", {m}" for m in matchers) + "}"
        return name + ("{" + ",".join(matchers) + "}" if matchers else "")

    def duration(self):
        return self.pick("15s", "30s", "1m", "1m", "2m", "5m", "5m", "10m", "17s", "61s", "1h", "90", "1m30s")

    def modifiers(self):
        ret = ""
        if self.random.random() < 0.1:
            ret += " offset " + self.pick("", "-") + self.duration()
        if self.random.random() < 0.07:
            ret += " @ " + self.pick("start()", "end()", str(self.data.start_s + self.random.randrange(0, 3600)))
        return ret

    def vector(self, depth):
        if depth <= 0 or self.random.random() < 0.2:
            return self.selector() + self.modifiers()
        return self.random.choice(self.shapes())(depth - 1)

    def shapes(self):
        return [self.range_function, self.range_function, self.over_time, self.aggregate, self.aggregate, self.binary, self.binary,
                self.set_operation, self.simple, self.special, self.subquery, self.parametrised, self.comparison]

    def matrix(self, depth):
        if depth > 0 and self.random.random() < 0.15:
            return f"({self.vector(depth - 1)})[{self.duration()}:{self.pick('', '15s', '30s', '20s')}]" + self.modifiers()
        return f"{self.selector()}[{self.duration()}]" + self.modifiers()

    def range_function(self, depth):
        return self.range_call(self.random.choice(RANGE), depth)

    def range_call(self, function, depth):
        return f"{function}({self.matrix(depth)})"

    def over_time(self, depth):
        shape = self.random.random()
        if shape < 0.1:
            return f"quantile_over_time({self.pick('0.5', '0', '1', '0.9', '-1', '2', 'NaN')}, {self.matrix(depth)})"
        if shape < 0.2:
            return f"predict_linear({self.matrix(depth)}, {self.pick('60', '3600', '-60')})"
        if shape < 0.25:
            return f"double_exponential_smoothing({self.matrix(depth)}, {self.pick('0.5', '0.1')}, {self.pick('0.5', '0.9')})"
        return f"{self.random.choice(OVER_TIME)}({self.matrix(depth)})"

    def subquery(self, depth):
        return f"{self.random.choice(OVER_TIME[:8])}(({self.vector(depth)})[{self.duration()}:{self.pick('', '15s', '1m')}]{self.modifiers()})"

    def grouping(self):
        return self.pick("", "", f" by ({self.some(self.labels)})", f" by ({self.some(self.labels)})", f" without ({self.some(self.labels)})")

    def aggregate(self, depth):
        return f"{self.random.choice(AGGREGATIONS)}{self.grouping()} ({self.vector(depth)})"

    def parametrised(self, depth):
        inner = self.vector(depth)
        return self.pick(
            f"quantile{self.grouping()} ({self.pick('0.5', '0.25', '1', '0', '-1', '1.5')}, {inner})",
            f"topk{self.grouping()} ({self.pick('1', '2', '3', '0', '100')}, {inner})",
            f"bottomk{self.grouping()} ({self.pick('1', '2', '5')}, {inner})",
            f'count_values{self.grouping()} ("v", {inner})',
            f"limitk{self.grouping()} ({self.pick('1', '2')}, {inner})",
            f"limit_ratio{self.grouping()} ({self.pick('0.5', '-0.5', '0.1')}, {inner})",
        )

    def matching(self):
        return self.pick("", "", f" on ({self.pick('job', 'instance', 'job, instance', '')})",
                         f" ignoring ({self.pick('code', 'zone', 'code, zone', 'le')})")

    def group_side(self, matching):
        if not matching or self.random.random() < 0.6:
            return matching
        return matching + self.pick(" group_left", " group_right", " group_left (zone)", " group_right (code)", " group_left ()")

    def binary(self, depth):
        operator = self.pick("+", "-", "*", "/", "%")
        shape = self.random.random()
        if shape < 0.3:
            return f"({self.vector(depth)}) {operator} {self.scalar()}"
        if shape < 0.4:
            return f"{self.scalar()} {operator} ({self.vector(depth)})"
        return f"({self.vector(depth)}) {operator}{self.group_side(self.matching())} ({self.vector(depth)})"

    def comparison(self, depth):
        operator = self.pick("==", "!=", "<", "<=", ">", ">=") + self.pick("", "", " bool")
        if self.random.random() < 0.6:
            return f"({self.vector(depth)}) {operator} {self.scalar()}"
        return f"({self.vector(depth)}) {operator}{self.group_side(self.matching())} ({self.vector(depth)})"

    def set_operation(self, depth):
        return f"({self.vector(depth)}) {self.pick('and', 'or', 'unless')}{self.matching()} ({self.vector(depth)})"

    def simple(self, depth):
        if self.random.random() < 0.1:
            return f"{self.random.choice(DATES)}({self.vector(depth)})"
        if self.random.random() < 0.1:
            return f"-({self.vector(depth)})"
        return f"{self.random.choice(SIMPLE)}({self.vector(depth)})"

    def special(self, depth):
        inner = self.vector(depth)
        return self.pick(
            f"clamp({inner}, {self.scalar()}, {self.scalar()})", f"clamp_min({inner}, {self.scalar()})",
            f"clamp_max({inner}, {self.scalar()})", f"round({inner})", f"round({inner}, {self.pick('0.1', '5', '0.5', '3')})",
            f'label_replace({inner}, "{self.pick("new", "job", "instance")}", "{self.pick("$1", "x-$1", "", "${1}y")}", '
            f'"{self.pick("job", "instance", "nope")}", "{self.pick("(.*)", "(.).*", "a.*", "(.*):(.*)", "^$")}")',
            f'label_join({inner}, "j", "-", "job", "instance")', f"vector({self.scalar()})",
            f"histogram_quantile({self.pick('0.5', '0.9', '0', '1', '-1', '2', 'NaN')}, "
            f"{self.pick('', 'sum by (le) ', 'sum by (le, job) ')}(rate(latency_seconds_bucket[{self.duration()}])))",
            f"histogram_quantile(0.5, {inner})",
            f'sort_by_label({inner}, "job", "instance")',
        )

    def scalar(self):
        return self.pick("0", "1", "2", "0.5", "-3", "1e3", "20", "time()", "scalar(limit{job='api'})", "NaN", "Inf", "-Inf",
                         "pi()", "scalar(up)", "(1 + 2)", "100 / 3")

    def spoil(self, text):
        """A small mistake somewhere."""
        at = self.random.randrange(len(text) + 1)
        cut = self.random.randrange(0, 4)
        return text[:at] + self.pick("", ")", "(", "{", "}", "[", "]", ",", " by ", '"', " and ", "#", "@", "$", " 5 ", "offset ", "=~", "bool") + text[at + cut:]

    def next(self):
        """(expression, whether values may differ by 2 ulp)."""
        shape = self.random.random()
        if shape < 0.06:
            return f"{self.random.choice(INEXACT)}({self.selector()})", True
        if shape < 0.08:
            return f"{self.selector()} ^ {self.pick('2', '0.5', '-1', '3')}", True
        if shape < 0.12:
            return f"{self.scalar()} {self.pick('+', '-', '*', '/', '%', '> bool', '== bool')} {self.scalar()}", False
        text = self.vector(self.random.choice((0, 1, 1, 2, 2, 3)))
        if self.random.random() < 0.15:
            text = self.spoil(text)
        return text, False

    def request(self):
        """(path, parameters, inexact) of one API call."""
        text, inexact = self.next()
        at = self.data.start_s + self.random.randrange(-60, 3600 + 600) + self.random.choice((0, 0, 0.003, 0.5))
        if self.random.random() < 0.4:
            return "query", {"query": text, "time": at}, inexact
        step = self.random.choice((1, 7, 15, 15, 30, 60, 300))
        return "query_range", {"query": text, "start": at, "end": at + step * self.random.randrange(0, 60), "step": step}, inexact
