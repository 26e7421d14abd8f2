"""Remote-write 1.0 bodies made by hand: prometheus.WriteRequest in a snappy block of literals."""

import struct

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}


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


def snappy(data):
    out = bytearray(varint(len(data)))
    for i in range(0, len(data), 65536):
        part = data[i : i + 65536]
        out += b"\xf4" + struct.pack("<H", len(part) - 1) + part  # a literal with a two-byte length
    return bytes(out)


def write(server, *messages, headers=None):
    """POSTs the messages as one request; returns (status, body text)."""
    status, _, body = server.request("/api/v1/write", method="POST", body=snappy(b"".join(messages)),
                                     headers=HEADERS if headers is None else headers)
    return status, body.decode(errors="replace")
