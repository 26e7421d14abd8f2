"""OTLP metrics requests: written once as the JSON form of the protocol, sent as JSON or as protobuf.

    encode(REQUEST, {"resourceMetrics": [...]})     the protobuf message of a JSON request
"""

import base64
import struct

from remote import varint

ANY = {}
KEY_VALUE = {"key": (1, "string"), "value": (2, ANY)}
ANY.update({"stringValue": (1, "string"), "boolValue": (2, "varint"), "intValue": (3, "varint"),
            "doubleValue": (4, "double"), "arrayValue": (5, {"values": (1, [ANY])}),
            "kvlistValue": (6, {"values": (1, [KEY_VALUE])}), "bytesValue": (7, "base64")})
EXEMPLAR = {"timeUnixNano": (2, "fixed64"), "asDouble": (3, "double"), "spanId": (4, "hex"), "traceId": (5, "hex"),
            "asInt": (6, "fixed64"), "filteredAttributes": (7, [KEY_VALUE])}
NUMBER = {"startTimeUnixNano": (2, "fixed64"), "timeUnixNano": (3, "fixed64"), "asDouble": (4, "double"),
          "exemplars": (5, [EXEMPLAR]), "asInt": (6, "fixed64"), "attributes": (7, [KEY_VALUE]), "flags": (8, "varint")}
HISTOGRAM = {"startTimeUnixNano": (2, "fixed64"), "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"),
             "sum": (5, "double"), "bucketCounts": (6, ["fixed64"]), "explicitBounds": (7, ["double"]),
             "exemplars": (8, [EXEMPLAR]), "attributes": (9, [KEY_VALUE]), "flags": (10, "varint"), "min": (11, "double"), "max": (12, "double")}
BUCKETS = {"offset": (1, "zigzag"), "bucketCounts": (2, ["varint"])}
EXPONENTIAL = {"attributes": (1, [KEY_VALUE]), "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"), "sum": (5, "double"),
               "scale": (6, "zigzag"), "zeroCount": (7, "fixed64"), "positive": (8, BUCKETS), "negative": (9, BUCKETS),
               "flags": (10, "varint"), "exemplars": (11, [EXEMPLAR]), "zeroThreshold": (14, "double")}
SUMMARY = {"startTimeUnixNano": (2, "fixed64"), "timeUnixNano": (3, "fixed64"), "count": (4, "fixed64"),
           "sum": (5, "double"), "quantileValues": (6, [{"quantile": (1, "double"), "value": (2, "double")}]),
           "attributes": (7, [KEY_VALUE]), "flags": (8, "varint")}
TEMPORALITY = (2, "varint")
METRIC = {"name": (1, "string"), "description": (2, "string"), "unit": (3, "string"),
          "gauge": (5, {"dataPoints": (1, [NUMBER])}),
          "sum": (7, {"dataPoints": (1, [NUMBER]), "aggregationTemporality": TEMPORALITY, "isMonotonic": (3, "varint")}),
          "histogram": (9, {"dataPoints": (1, [HISTOGRAM]), "aggregationTemporality": TEMPORALITY}),
          "exponentialHistogram": (10, {"dataPoints": (1, [EXPONENTIAL]), "aggregationTemporality": TEMPORALITY}),
          "summary": (11, {"dataPoints": (1, [SUMMARY])})}
SCOPE = {"name": (1, "string"), "version": (2, "string"), "attributes": (3, [KEY_VALUE])}
REQUEST = {"resourceMetrics": (1, [{"resource": (1, {"attributes": (1, [KEY_VALUE])}),
                                    "scopeMetrics": (2, [{"scope": (1, SCOPE), "metrics": (2, [METRIC]), "schemaUrl": (3, "string")}])}])}


def scalar(kind, value):
    if kind == "double":
        return struct.pack("<d", float(value))
    if kind == "zigzag":
        return varint(int(value) << 1 if int(value) >= 0 else ~(int(value) << 1))
    return struct.pack("<q", int(value)) if kind == "fixed64" else varint(int(value))


def field(number, kind, value):
    if isinstance(kind, list):
        if isinstance(kind[0], dict):
            return b"".join(field(number, kind[0], v) for v in value)
        return field(number, "bytes", b"".join(scalar(kind[0], v) for v in value))
    if kind in ("fixed64", "double", "varint", "zigzag"):
        return varint(number << 3 | (1 if kind in ("fixed64", "double") else 0)) + scalar(kind, value)
    data = (encode(kind, value) if isinstance(kind, dict) else value.encode() if kind == "string"
            else base64.b64decode(value) if kind == "base64" else bytes.fromhex(value) if kind == "hex" else value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def encode(message, value):
    return b"".join(field(*message[name], v) for name, v in value.items())


def value(v):
    """A Python value as AnyValue."""
    if isinstance(v, bool):
        return {"boolValue": v}
    if isinstance(v, int):
        return {"intValue": str(v)}
    if isinstance(v, float):
        return {"doubleValue": v}
    if isinstance(v, bytes):
        return {"bytesValue": base64.b64encode(v).decode()}
    if isinstance(v, list):
        return {"arrayValue": {"values": [value(x) for x in v]}}
    if isinstance(v, dict):
        return {"kvlistValue": {"values": attributes(v)}}
    return {} if v is None else {"stringValue": v}


def attributes(pairs):
    return [{"key": k, "value": value(v)} for k, v in (pairs.items() if isinstance(pairs, dict) else pairs)]


def point(t_ms, v=None, labels=(), **more):
    number = {} if v is None else {"asInt": str(v)} if isinstance(v, int) else {"asDouble": v}
    return {"timeUnixNano": str(t_ms * 1_000_000), **number, "attributes": attributes(labels), **more}


def gauge(name, points, unit="", text=""):
    return {"name": name, "unit": unit, "description": text, "gauge": {"dataPoints": points}}


def counter(name, points, unit="", monotonic=True, temporality=2):
    return {"name": name, "unit": unit,
            "sum": {"dataPoints": points, "aggregationTemporality": temporality, "isMonotonic": monotonic}}


def histogram(name, points, unit="", temporality=2):
    return {"name": name, "unit": unit, "histogram": {"dataPoints": points, "aggregationTemporality": temporality}}


def exponential(name, points, unit="", temporality=2):
    return {"name": name, "unit": unit, "exponentialHistogram": {"dataPoints": points, "aggregationTemporality": temporality}}


def summary(name, points, unit=""):
    return {"name": name, "unit": unit, "summary": {"dataPoints": points}}


def resource(labels, *metrics, scope=None):
    return {"resource": {"attributes": attributes(labels)},
            "scopeMetrics": [{"scope": scope or {}, "metrics": list(metrics), "schemaUrl": "http://schema/1"}]}


def request(*resources):
    return {"resourceMetrics": list(resources)}
