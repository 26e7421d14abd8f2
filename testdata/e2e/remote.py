"""Remote-write bodies made by hand, 1.0 and 2.0, in a snappy block of literals."""

import struct

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}
HEADERS2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0"}


def varint(v):
    v &= (1 << 64) - 1
    out = bytearray()
    while v >= 0x80:
        out.append(v & 0x7F | 0x80)
        v >>= 7
    out.append(v)
    return bytes(out)


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def label(name, value):
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def sample(t_ms, value):
    return field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(t_ms))


def series(labels, samples, tail=b""):
    """labels: dict or pairs, kept in their order; samples: (ms, value) pairs; tail: more fields."""
    pairs = labels.items() if isinstance(labels, dict) else labels
    return field(1, b"".join(label(n, v) for n, v in pairs) + b"".join(sample(t, v) for t, v in samples) + tail)


def metadata(kind, family, text, unit=""):
    return field(3, varint(1 << 3) + varint(kind) + field(2, family.encode()) + field(4, text.encode())
                 + field(5, unit.encode()))


class Request2:
    """io.prometheus.write.v2.Request: add series, then bytes()."""

    def __init__(self):
        self.symbols = [""]
        self.fields = b""

    def ref(self, text):
        if text not in self.symbols:
            self.symbols.append(text)
        return self.symbols.index(text)

    def add(self, labels, samples=(), starts=(), kind=0, text="", unit="", tail=b""):
        """As series() above; starts: a start timestamp per sample; kind, text, unit: metadata."""
        pairs = labels.items() if isinstance(labels, dict) else labels
        refs = [self.ref(part) for pair in pairs for part in pair]
        if kind or text or unit:
            numbers = ((1, kind), (3, self.ref(text)), (4, self.ref(unit)))
            tail += field(5, b"".join(varint(n << 3) + varint(v) for n, v in numbers))
        starts = list(starts) or [0] * len(samples)
        return self.add_refs(refs, [(t, v, s) for (t, v), s in zip(samples, starts)], tail)

    def add_refs(self, refs, samples=(), tail=b""):
        body = field(1, b"".join(varint(r) for r in refs))
        for t, v, start in samples:
            body += field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + varint(t) + (b"\x18" + varint(start) if start else b""))
        self.fields += field(5, body + tail)
        return self

    def bytes(self):
        return b"".join(field(4, s.encode()) for s in self.symbols) + self.fields


def histogram(t_ms, n=1, bad=False):
    """A Histogram message of schema 1 with 5n observations in three buckets and the zero bucket."""
    zigzag = [2 * n, 2 * n, 2 * n - 1]
    numbers = b"".join(varint(v) for v in zigzag)
    return (b"\x08" + varint(5 * n + bad) + b"\x19" + struct.pack("<d", 7 * n) + b"\x20\x02" + b"\x29" + struct.pack("<d", 0.001)
            + b"\x30" + varint(n) + field(11, b"\x10\x03") + field(12, numbers) + b"\x78" + varint(t_ms))


def doubles(number, values):
    return field(number, struct.pack(f"<{len(values)}d", *values))


def float_histogram(t_ms, v):
    """Of schema 1 with 2.5 v observations in two buckets and the zero bucket."""
    return (b"\x11" + struct.pack("<d", 2.5 * v) + b"\x19" + struct.pack("<d", 3 * v) + b"\x20\x02\x29" + struct.pack("<d", 0.001)
            + b"\x39" + struct.pack("<d", v / 2) + field(11, b"\x10\x02") + doubles(13, [v, v]) + b"\x78" + varint(t_ms))


def custom_histogram(t_ms, n):
    """Of custom buckets: n up to 0.5, twice as many above."""
    return (b"\x08" + varint(3 * n) + b"\x19" + struct.pack("<d", 4 * n) + b"\x20\x69" + field(11, b"\x10\x02")
            + field(12, varint(2 * n) + varint(2 * n)) + b"\x78" + varint(t_ms) + doubles(16, [0.5]))


def exemplar2(value, t_ms):
    return field(4, b"\x11" + struct.pack("<d", value) + b"\x18" + varint(t_ms))


def snappy(data):
    out = bytearray(varint(len(data)))
    for i in range(0, len(data), 65536):
        part = data[i : i + 65536]
        out += b"\xf4" + struct.pack("<H", len(part) - 1) + part  # a literal with a two-byte length
    return bytes(out)


def zstd(data):
    """The bytes as one zstd frame of raw blocks (RFC 8878), without its size in the header."""
    blocks = [data[i : i + 65536] for i in range(0, len(data), 65536)] or [b""]
    out = b"\x28\xb5\x2f\xfd\x00\x38"
    for i, block in enumerate(blocks):
        out += (len(block) << 3 | (i == len(blocks) - 1)).to_bytes(3, "little") + block
    return out


def write(server, *messages, headers=None):
    """POSTs the messages as one request; returns (status, body text)."""
    status, _, body = server.request("/api/v1/write", method="POST", body=snappy(b"".join(messages)),
                                     headers=HEADERS if headers is None else headers)
    return status, body.decode(errors="replace")


def write2(server, request, headers=None):
    """POSTs a Request2 (or bytes of one); returns (status, body text, the three written counts or None)."""
    message = request if isinstance(request, bytes) else request.bytes()
    status, answered, body = server.request("/api/v1/write", method="POST", body=snappy(message),
                                            headers=HEADERS2 if headers is None else headers)
    return status, body.decode(errors="replace"), written(answered)


def written(headers):
    """(samples, histograms, exemplars) as the answer tells them; None where it does not."""
    counts = [headers.get(f"X-Prometheus-Remote-Write-{what}-Written") for what in ("Samples", "Histograms", "Exemplars")]
    return None if None in counts else tuple(int(c) for c in counts)
