"""Series with the labels of --enable-feature=type-and-unit-labels for random queries, and queries about names, types and
units: what drops them, what brings them back, and what tells by them that something is no counter.
"""

import promql_random
import random_histograms

FEATURES = ("type-and-unit-labels", "promql-delayed-name-removal")
KINDS = ("counter", "gauge", "histogram", "gaugehistogram", "")
UNITS = ("seconds", "bytes", "")


class Data(random_histograms.Data):
    """One name may have several types, as two programs may disagree about it."""

    def __init__(self, seed, start_s):
        super().__init__(seed, start_s)
        for job in ("api", "db", "web"):
            self.add_typed("work", {"job": job}, "counter", "seconds", self.counter(0.1))
            self.add_typed("work", {"job": job}, "gauge", "", self.gauge())
            self.add_typed("work_total", {"job": job}, "counter" if job == "api" else "", "seconds", self.counter(0.0))
            self.add_typed("span_seconds", {"job": job}, "histogram", "seconds", self.exponential(schema=1))
            self.add_typed("span_seconds", {"job": job, "kind": "gauge"}, "gaugehistogram", "seconds", self.gauges(is_float=job == "db"))
            self.add_typed("span_bytes", {"job": job}, "histogram" if job == "web" else "gauge", "bytes", self.counter(0.0))

    def add_typed(self, name, labels, kind, unit, value_of):
        told = {"__type__": kind, "__unit__": unit}
        self.add(name, {**labels, **{k: v for k, v in told.items() if v}}, value_of)


class Queries(random_histograms.Queries):
    names = ("work", "work", "work_total", "span_seconds", "span_seconds", "span_bytes", "http_requests_total", "rpc_seconds", "missing")
    labels = ["job", "__type__", "__unit__", "__name__", "kind", "nope"]

    def matchers(self):
        ret = super().matchers()
        if self.random.random() < 0.3:
            ret.append(self.pick('__type__="counter"', '__type__!="gauge"', '__type__=~"|counter"', '__unit__="seconds"', '__unit__!~"s.*"', '__type__=""'))
        return ret

    def matching(self):
        return self.pick("", "", " on (job)", " on (job, __type__)", " on (job, __name__)", " ignoring (__type__)", " ignoring (kind, __unit__)")

    def range_call(self, function, depth):
        return promql_random.Queries.range_call(self, function, depth)

    def shapes(self):
        return super().shapes() + [self.named, self.named, self.by_name]

    def named(self, depth):
        """A name, a type or a unit made anew."""
        inner = self.vector(depth)
        label = self.pick("__name__", "__name__", "__type__", "__unit__")
        return self.pick(
            f'label_replace({inner}, "{label}", "{self.pick("$1", "x_$1", "", "counter")}", "{self.pick("job", "__name__", "__type__", "nope")}", "{self.pick("(.*)", "(.).*", "a.*")}")',
            f'label_join({inner}, "{label}", "_", "job", "{self.pick("__name__", "__type__", "kind")}")',
            f'label_replace({inner}, "was", "$1", "{label}", "(.*)")',
        )

    def by_name(self, _depth):
        inner = '{__name__=~"' + self.pick("work.*", "span.*", ".*_total") + '"}'
        return self.pick(inner, f"sum by (__name__) ({inner})", f"count by (__type__) ({inner})", f"rate({inner}[5m])", f"-{inner}")
