#!/usr/bin/env python3
"""Makes the requests in this folder: what Grafana Alloy's prometheus.remote_write puts on the wire, by its sources (1.19: the queue
of Prometheus 3.13, its own headers). Alloy cannot be run here. One datum a TimeSeries; metadata in requests of their own (1.0) or with
every series (2.0); exemplars in series without samples; a repeated request tells so.

A file is a request as it goes over the connection; `expected.json` tells the answers, in the order of sending to an empty server, and
what is stored then.
"""

import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
from remote import STALE, Request2, field, label, metadata, sample, snappy, varint  # noqa: E402

T = 1763700000000
ID = "0b9d1c1e-6a3f-4a53-9d7e-2f4c4e2a7b11"
V2 = ";proto=io.prometheus.write.v2.Request"


def http(body, version=1, retry=0):
    lines = ["POST /api/v1/write HTTP/1.1", "Host: localhost:9090", "User-Agent: Alloy/v1.19.0 (linux; docker)", f"Content-Length: {len(body)}",
             "Content-Encoding: snappy", f"Content-Type: application/x-protobuf{V2 if version == 2 else ''}"]
    lines += [f"Retry-Attempt: {retry}"] if retry else []
    lines += [f"X-Agent-Id: {ID}", f"X-Alloy-Id: {ID}", f"X-Prometheus-Remote-Write-Version: {'2.0.0' if version == 2 else '0.1.0'}",
              "Accept-Encoding: gzip"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def double(num, v):
    return varint(num << 3 | 1) + struct.pack("<d", v)


def number(num, v):
    return varint(num << 3) + varint(v)


def zigzag(v):
    return v << 1 if v >= 0 else ~(v << 1)


def histogram(t, n, is_float=False, stale=False, bounds=()):
    """3n observations in three buckets."""
    if stale:
        return number(1, 0) + double(3, STALE) + number(15, t)
    count = double(2, 3 * n) if is_float else number(1, 3 * n)
    buckets = field(13, b"".join(struct.pack("<d", n) for _ in range(3))) if is_float else field(12, b"".join(varint(zigzag(d)) for d in (n, 0, 0)))
    schema, offset = (-53, 0) if bounds else (3, -2)
    custom = field(16, b"".join(struct.pack("<d", b) for b in bounds)) if bounds else b""
    zero = b"" if bounds else double(5, 2.0**-128) + (double(7, 0) if is_float else number(6, 0))
    return count + double(3, 1.5 * n) + number(4, zigzag(schema)) + zero + field(11, number(1, zigzag(offset)) + number(2, 3)) + buckets + number(15, t) + custom


def labels(name, version, **more):
    """As Alloy sends them: sorted, with the external labels of the component."""
    pairs = {"__name__": name, "cluster": "prod", "instance": "web-1:9100", "job": "integrations/unix", "protocol": str(version), **more}
    return dict(sorted(pairs.items()))


def series1(name, data, **more):
    return field(1, b"".join(label(n, v) for n, v in labels(name, 1, **more).items()) + data)


def exemplar1(t, v):
    return field(3, label("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736") + double(2, v) + number(3, t))


def exemplar2(r, t, v):
    refs = varint(r.ref("trace_id")) + varint(r.ref("4bf92f3577b34da6a3ce929d0e0e4736"))
    return field(4, field(1, refs) + double(2, v) + number(3, t))


def requests_of_1():
    cpu = "node_cpu_seconds_total"
    samples = b"".join(series1(cpu, sample(T + 15000 * k, 100.5 + k), mode=mode) for k in range(2) for mode in ("idle", "user"))
    histograms = series1("http_duration", field(4, histogram(T, 2))) + series1("http_duration_float", field(4, histogram(T, 2, True)))
    stale = series1(cpu, sample(T + 45000, STALE), mode="user") + series1("http_duration", field(4, histogram(T + 45000, 0, stale=True)))
    meta = metadata(1, cpu, "Seconds the CPUs spent in each mode.") + metadata(3, "http_duration", "Durations.", "seconds")
    later = series1(cpu, sample(T + 30000, 102.5), mode="idle") + series1(cpu, exemplar1(T + 29000, 0.25), mode="idle")
    return [("samples", http(snappy(samples))), ("metadata", http(snappy(meta))), ("histograms", http(snappy(histograms))),
            ("exemplars", http(snappy(later))), ("repeated", http(snappy(later), retry=1)), ("stale", http(snappy(stale)))]


def requests_of_2():
    cpu, kinds = "node_cpu_seconds_total", {"kind": 1, "text": "Seconds the CPUs spent in each mode."}
    r = Request2()
    for k in range(2):
        for mode in ("idle", "user"):
            r.add(labels(cpu, 2, mode=mode), [(T + 15000 * k, 100.5 + k)], starts=[T - 60000], **kinds)
    h = Request2()
    h.add(labels("http_duration", 2), tail=field(3, histogram(T, 2)), kind=3, text="Durations.", unit="seconds")
    h.add(labels("http_duration_float", 2), tail=field(3, histogram(T, 2, True)), kind=3, text="Durations.")
    h.add(labels("http_duration_custom", 2), tail=field(3, histogram(T, 2, bounds=(0.5, 1))), kind=3, text="Durations.")
    later = Request2().add(labels(cpu, 2, mode="idle"), [(T + 30000, 102.5)], starts=[T - 60000], **kinds)
    later.add(labels(cpu, 2, mode="idle"), tail=exemplar2(later, T + 29000, 0.25), **kinds)
    stale = Request2().add(labels(cpu, 2, mode="user"), [(T + 45000, STALE)], **kinds)
    stale.add(labels("http_duration", 2), tail=field(3, histogram(T + 45000, 0, stale=True)), kind=3, text="Durations.", unit="seconds")
    return [(name, http(snappy(r.bytes()), 2, retry)) for name, r, retry in
            (("samples2", r, 0), ("histograms2", h, 0), ("exemplars2", later, 0), ("repeated2", later, 1), ("stale2", stale, 0))]


WRITTEN = {"samples2": [4, 0, 0], "histograms2": [0, 3, 0], "exemplars2": [1, 0, 1], "repeated2": [1, 0, 1], "stale2": [1, 1, 0]}


def main():
    answers = []
    for name, data in requests_of_1() + requests_of_2():
        with open(os.path.join(HERE, name + ".http"), "wb") as file:
            file.write(data)
        answers.append({"file": name + ".http", "status": 204, "written": WRITTEN.get(name)})
    second = T / 1000
    queries = [
        ("count(node_cpu_seconds_total)", second + 30, "4"),
        ("sum(node_cpu_seconds_total)", second + 30, "408"),
        ("count(node_cpu_seconds_total)", second + 46, "2"),
        ("sum(count_over_time(node_cpu_seconds_total[1m]))", second + 46, "10"),
        ('histogram_count({__name__=~"http_duration",protocol="1"})', second + 1, "6"),
        ("sum(histogram_sum(http_duration))", second + 1, "6"),
        ("sum(histogram_sum(http_duration_float))", second + 1, "6"),
        ("sum(histogram_sum(http_duration_custom))", second + 1, "3"),
        ("count({__name__=~'http_duration.*'})", second + 46, "3"),
    ]
    with open(os.path.join(HERE, "expected.json"), "w", encoding="ascii") as file:
        json.dump({"requests": answers, "exemplars": 2,
                   "metadata": {"node_cpu_seconds_total": "counter", "http_duration": "histogram"},
                   "queries": [{"query": q, "time": t, "value": v} for q, t, v in queries]}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
