"""Remote read: what a running Prometheus 3.5 answers to the same requests on the same data, Ferula answers
too; and a Prometheus without data of its own that reads from Ferula answers queries as if it had it."""

import itertools
import json
import math
import struct
import time
import unittest

import programs
import remote

NOW = int(time.time())
STEP = 15000
T0 = (NOW - 3000) * 1000
SAMPLES, STREAMED = 0, 1
EQ, NE, RE, NRE = range(4)
CONFIG = json.dumps({"global": {"external_labels": {"replica": "r1", "aaa": "first", "job": "never"}}})


# ---- messages ----

def number(num, v):
    return remote.varint(num << 3) + remote.varint(v)


def query(start, end, *matchers):
    out = number(1, start) + number(2, end)
    for kind, name, value in matchers:
        out += remote.field(3, number(1, kind) + remote.field(2, name.encode()) + remote.field(3, value.encode()))
    return remote.field(1, out)


def read_varint(data, at):
    v = shift = 0
    while True:
        v |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return v, at


def signed(v):
    return v - (1 << 64) if v >> 63 else v


def fields(data):
    """(number, value) pairs: ints, bytes, or the eight bytes of a double as a float."""
    at, out = 0, []
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            v, at = read_varint(data, at)
            v = signed(v)
        elif tag & 7 == 1:
            v, at = data[at : at + 8], at + 8
        else:
            n, at = read_varint(data, at)
            v, at = data[at : at + n], at + n
        out.append((tag >> 3, v))
    return out


def unsnappy(data):
    n, at = read_varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size, at = int.from_bytes(data[at : at + extra], "little"), at + extra
            out += data[at : at + size + 1]
            at += size + 1
            continue
        if tag & 3 == 1:
            size, back, at = (tag >> 2 & 7) + 4, (tag >> 5 << 8) | data[at], at + 1
        else:
            wide = 2 if tag & 3 == 2 else 4
            size, back, at = (tag >> 2) + 1, int.from_bytes(data[at : at + wide], "little"), at + wide
        for _ in range(size):
            out.append(out[-back])
    assert len(out) == n
    return bytes(out)


def crc32c(data, table=[]):
    if not table:
        for i in range(256):
            for _ in range(8):
                i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
            table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def labels_of(message):
    return tuple(tuple(t.decode() for _, t in fields(v)) for n, v in message if n == 1)


def bits(value):
    return struct.unpack("<Q", value)[0]


def decode_samples(body):
    """A list per query of (labels, [(ms, bits of the value)])."""
    out = []
    for _, result in fields(unsnappy(body)):
        found = []
        for _, series in fields(result):
            series = fields(series)
            samples = [dict(fields(v)) for n, v in series if n == 2]
            found.append((labels_of(series), [(s.get(2, 0), bits(s.get(1, bytes(8)))) for s in samples]))
        out.append(found)
    return out


class Bits:
    def __init__(self, data):
        self.v, self.left = int.from_bytes(data, "big"), len(data) * 8

    def take(self, n):
        self.left -= n
        return self.v >> self.left & (1 << n) - 1


def decode_xor(data):
    """A chunk of Prometheus' encoding 1 (Gorilla)."""
    n = int.from_bytes(data[:2], "big")
    zigzag, at = read_varint(data, 2)
    t, v = zigzag >> 1 ^ -(zigzag & 1), bits(data[at : at + 8][::-1])
    out = [(t, v)]
    if n == 1:
        return out
    delta, at = read_varint(data, at + 8)
    r, leading, trailing = Bits(data[at:]), 0, 0
    for i in range(1, n):
        if i > 1:
            kind = next((k for k in range(4) if not r.take(1)), 4)
            size = (0, 14, 17, 20, 64)[kind]
            dod = r.take(size) if size else 0
            if size and dod > 1 << size - 1:
                dod -= 1 << size
            delta += dod
        t += delta
        if r.take(1):
            if r.take(1):
                leading, significant = r.take(5), r.take(6) or 64
                trailing = 64 - leading - significant
            v ^= r.take(64 - leading - trailing) << trailing
        out.append((t, v))
    return out


def comparable(results):
    """In label order: Prometheus sorts streams only. It leaves -0 out of the message, as if it were 0; Ferula
    sends it."""
    return [sorted((labels, [(t, 0 if v == 1 << 63 else v) for t, v in samples]) for labels, samples in result) for result in results]


def decode_stream(body):
    """(query index, labels, [chunk's samples], bytes of the frame) per frame; every checksum is checked."""
    at, out = 0, []
    while at < len(body):
        n, at = read_varint(body, at)
        crc, data, at = body[at : at + 4], body[at + 4 : at + 4 + n], at + 4 + n
        assert int.from_bytes(crc, "big") == crc32c(data), "checksum of a frame"
        frame = fields(data)
        series = [fields(v) for k, v in frame if k == 1]
        assert len(series) == 1, "one series a frame"
        chunks = []
        for _, chunk in (f for f in series[0] if f[0] == 2):
            chunk = dict(fields(chunk))
            samples = decode_xor(chunk[4])
            assert (chunk[1], chunk[2], chunk[3]) == (samples[0][0], samples[-1][0], 1), "bounds of a chunk"
            chunks.append(samples)
        out.append((dict(frame).get(2, 0), labels_of(series[0]), chunks, n))
    return out


def joined(frames, start, end):
    """The samples in [start, end] by query and series, in the order of the stream."""
    out = {}
    for index, labels, chunks, _ in frames:
        samples = [s for chunk in chunks for s in chunk if start <= s[0] <= end]
        if samples:
            out.setdefault((index, labels), []).extend(samples)
    return list(out.items())


# ---- the tests ----

def data():
    """Series with gaps, stale markers, NaN, infinities, zeros and times that are not regular."""
    odd = [0.0, -0.0, math.inf, -math.inf, math.nan, remote.STALE, 1e-310, 0.1]
    for i, job in itertools.product(range(30), ("a", "b")):
        samples = [(T0 + k * STEP + (k * i) % 7, odd[(k * i) % 8] if i % 3 == 0 else k * (i + 1) / 3)
                   for k in range(180) if (k + i) % 11]
        yield remote.series({"__name__": f"m{i % 3}", "i": f"{i:02}", "job": job}, samples)
    yield remote.series({"__name__": "own", "replica": "mine"}, [(T0, 1)])


class RemoteRead(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.reference = programs.Prometheus(CONFIG, "--web.enable-remote-write-receiver", suite="sid")
        cls.addClassCleanup(cls.reference.__exit__)
        cls.reference.start()
        cls.ferula = programs.Ferula("--storage.remote.read-max-bytes-in-frame=600", f"--config.file={cls.reference.config_path}")
        cls.addClassCleanup(cls.ferula.__exit__)
        cls.ferula.start()
        for server in (cls.reference, cls.ferula):
            status, text = remote.write(server, *data())
            assert status == 204, text

    def read(self, server, *queries, types=(SAMPLES,)):
        body = remote.snappy(b"".join(queries) + b"".join(number(2, t) for t in types))
        return server.request("/api/v1/read", method="POST", body=body,
                              headers={"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
                                       "X-Prometheus-Remote-Read-Version": "0.1.0"})

    SELECTORS = [
        ((EQ, "__name__", "m0"),),
        ((RE, "__name__", "m.*"), (NE, "job", "a")),
        ((RE, "__name__", ".+"), (RE, "i", "0[1-4]")),
        ((EQ, "__name__", "m1"), (EQ, "replica", "r1")),
        ((EQ, "__name__", "own"),),
        ((EQ, "__name__", "own"), (EQ, "replica", "r1")),
        ((NRE, "__name__", "m0|m1"),),
        ((EQ, "__name__", "no_such_metric"),),
        (),
    ]
    TIMES = [(T0, T0 + 180 * STEP), (T0 + 10 * STEP, T0 + 60 * STEP), (T0 - 10, T0), (0, 1000)]

    def test_samples_are_those_of_prometheus(self):
        for selector, (start, end) in itertools.product(self.SELECTORS, self.TIMES):
            answers = []
            for server in (self.reference, self.ferula):
                status, headers, body = self.read(server, query(start, end, *selector))
                self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]),
                                 (200, "application/x-protobuf", "snappy"))
                answers.append([[(labels, samples) for labels, samples in result if samples]
                                for result in decode_samples(body)])
            self.assertEqual(*(comparable(a) for a in answers), (selector, start, end))

    def test_streams_are_those_of_prometheus(self):
        for selector, (start, end) in itertools.product(self.SELECTORS, self.TIMES):
            answers = []
            for server in (self.reference, self.ferula):
                status, headers, body = self.read(server, query(start, end, *selector), types=(STREAMED, SAMPLES))
                self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]),
                                 (200, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", None))
                answers.append(joined(decode_stream(body), start, end))
            self.assertEqual(answers[0], answers[1], (selector, start, end))

    def test_a_long_series_spans_frames_and_chunks_have_120_samples(self):
        _, _, body = self.read(self.ferula, query(T0, T0 + 180 * STEP, (EQ, "__name__", "m1")), types=(STREAMED,))
        frames = decode_stream(body)
        self.assertGreater(len(frames), len({labels for _, labels, _, _ in frames}))
        self.assertTrue(all(len(c) <= 120 for _, _, chunks, _ in frames for c in chunks))
        self.assertLess(max(n for *_, n in frames), 600 + 1200)

    def test_several_queries_are_answered_in_order(self):
        queries = [query(T0, T0 + 60 * STEP, (EQ, "__name__", name)) for name in ("m1", "nothing", "own")]
        _, _, body = self.read(self.ferula, *queries)
        self.assertEqual([len(result) for result in decode_samples(body)], [20, 0, 1])
        _, _, body = self.read(self.ferula, *queries, types=(STREAMED,))
        self.assertEqual(sorted({index for index, *_ in decode_stream(body)}), [0, 2])
        indices = [index for index, *_ in decode_stream(body)]
        self.assertEqual(indices, sorted(indices))

    def test_a_request_without_queries_has_an_empty_answer(self):
        for types in ((), (SAMPLES,), (STREAMED,), (STREAMED, SAMPLES), (SAMPLES, STREAMED)):
            answers = [self.read(server, types=types) for server in (self.reference, self.ferula)]
            self.assertEqual(*((status, headers["Content-Type"], body) for status, headers, body in answers))

    def test_the_first_known_type_wins(self):
        one = query(T0, T0 + STEP, (EQ, "__name__", "m1"))
        for types, expected in (((7, STREAMED, SAMPLES), "application/x-streamed-protobuf"), ((SAMPLES, STREAMED), "application/x-protobuf"),
                                ((), "application/x-protobuf")):
            for server in (self.reference, self.ferula):
                self.assertTrue(self.read(server, one, types=types)[1]["Content-Type"].startswith(expected), types)
        for server in (self.reference, self.ferula):
            status, _, text = self.read(server, one, types=(7, 9))
            self.assertEqual(status, 400)
            self.assertIn(b"server does not support any of the requested response types", text)

    def test_what_is_no_request_is_400(self):
        for body in (b"", b"\xff", remote.snappy(b"\x0a\xff"), remote.snappy(query(0, 1, (9, "a", "b"))), remote.snappy(query(0, 1, (RE, "a", "(")))):
            status, _, text = self.ferula.request("/api/v1/read", method="POST", body=body)
            self.assertEqual(status, 400, (body, text))
        self.assertEqual(self.ferula.request("/api/v1/read")[0], 405)
        good = query(T0, T0, (EQ, "__name__", "m1"))
        for bad, types in itertools.product(((9, "a", "b"), (RE, "a", "(")), ((STREAMED,), (SAMPLES,))):
            self.assertEqual(self.read(self.ferula, good, query(T0, T0, bad), types=types)[0], 400)

    def test_the_sample_limit(self):
        with programs.Ferula("--storage.remote.read-sample-limit=10") as server:
            remote.write(server, *data())
            status, _, text = self.read(server, query(T0, T0 + 180 * STEP, (EQ, "__name__", "m1")))
            self.assertEqual((status, text), (400, b"exceeded sample limit (10)\n"))
            self.assertEqual(self.read(server, query(T0, T0, (EQ, "__name__", "own")))[0], 200)
            self.assertEqual(self.read(server, query(T0, T0 + 180 * STEP, (EQ, "__name__", "m1")), types=(STREAMED,))[0], 200)

    def test_a_prometheus_that_reads_from_ferula_answers_as_from_its_own_data(self):
        with programs.Ferula() as plain, programs.Prometheus("", "--web.enable-remote-write-receiver", suite="sid") as own:
            config = json.dumps({"remote_read": [{"url": plain.url + "/api/v1/read", "read_recent": True}]})
            with programs.Prometheus(config, suite="sid") as reader:
                for server in (own, plain):
                    self.assertEqual(remote.write(server, *data())[0], 204)
                self.compare(own, reader)

    def compare(self, own, reader):
        at = (T0 + 150 * STEP) / 1000
        for q in ("m1", "m2 + on (i, job) m2", "sum by (job) (rate(m1[5m]))", "count_over_time(m0[10m])", "own", "m0 offset 5m",
                  "topk(3, m2)", 'max by (i) (m1{job="a",i!~"0.*"})', "absent(nothing)", "sum(m0)"):
            for path, times in (("query", {"time": at}), ("query_range", {"start": at - 900, "end": at, "step": 30})):
                theirs, ours = (sorted(s.api(path, query=q, **times)["result"], key=lambda r: sorted(r["metric"].items()))
                                for s in (own, reader))
                self.assertEqual(theirs, ours, (q, path))


if __name__ == "__main__":
    unittest.main()
