"""Where series began (created-timestamp-zero-ingestion): remote write 2.0 with start timestamps to Ferula, and with created timestamps,
as 3.5 knows them, to Ferula and to Prometheus 3.5: all have the same samples then, also after a kill."""

import struct
import time
import unittest

import programs
import remote

FEATURE = "--enable-feature=created-timestamp-zero-ingestion,native-histograms"
T = (int(time.time()) - 600) * 1000

# (name, time, begin, value); a value of None is a histogram, of "float" one of floats. In the order of sending, a list each a request.
REQUESTS = [
    [("a", T + 10_000, T, 5.0), ("b", T + 10_000, 0, 1.0), ("c", T + 10_000, T + 10_000, 1.0), ("d", T + 10_000, T + 20_000, 1.0),
     ("h", T + 10_000, T, None), ("f", T + 10_000, T, "float")],
    [("a", T + 20_000, T, 6.0), ("b", T + 20_000, T + 5_000, 2.0), ("h", T + 20_000, T, None), ("f", T + 20_000, T, "float")],
    [("a", T + 40_000, T + 30_000, 1.0), ("a", T + 50_000, T + 30_000, 2.0), ("a", T + 70_000, T + 60_000, 0.5),
     ("b", T + 40_000, T + 20_000, 3.0), ("h", T + 40_000, T + 30_000, None), ("f", T + 40_000, T + 30_000, "float")],
    [("a", T + 80_000, -5, 3.0), ("new", T + 80_000, T + 75_000, 3.0)],
]


def double(num, v):
    return remote.varint(num << 3 | 1) + struct.pack("<d", v)


def histogram(t, is_float, start=0):
    tail = b"\x88\x01" + remote.varint(start) if start else b""
    if not is_float:
        return remote.field(3, remote.histogram(t) + tail)
    buckets = b"".join(struct.pack("<d", v) for v in (1, 2, 1.5))
    return remote.field(3, double(2, 5.5) + double(3, 7) + b"\x20\x02" + double(5, 0.001) + double(7, 1) + remote.field(11, b"\x10\x03")
                        + remote.field(13, buckets) + b"\x78" + remote.varint(t) + tail)


def message(rows, of_sample):
    """The begin stands in each sample, or once in its series."""
    r = remote.Request2()
    for name, t, begin, value in rows:
        created = b"" if of_sample else b"\x30" + remote.varint(begin)
        if isinstance(value, float):
            r.add({"__name__": name}, [(t, value)], starts=[begin if of_sample else 0], tail=created)
        else:
            r.add({"__name__": name}, tail=histogram(t, value == "float", begin if of_sample else 0) + created)
    return r


def everything(server):
    found = server.instant('{__name__=~".+"}[1h]', time=T / 1000 + 300)
    return {s["metric"]["__name__"]: (s.get("values"), s.get("histograms")) for s in found}


class Starts(unittest.TestCase):
    maxDiff = 4000

    def send(self, server, of_sample):
        for rows in REQUESTS:
            floats = sum(isinstance(value, float) for _, _, _, value in rows)
            status, text, counts = remote.write2(server, message(rows, of_sample))
            self.assertEqual((status, counts), (204, (floats, len(rows) - floats, 0)), text)

    def test_zeros_are_where_3_5_has_them(self):
        with programs.Prometheus("", "--web.enable-remote-write-receiver", FEATURE, suite="sid") as prometheus:
            self.send(prometheus, of_sample=False)
            expected = everything(prometheus)
        self.assertEqual([v for _, v in expected["a"][0]], ["0", "5", "6", "0", "1", "2", "0", "0.5", "3"])
        for of_sample in (False, True):
            with programs.Ferula(FEATURE) as server:
                self.send(server, of_sample)
                self.assertEqual(expected, everything(server))
                server.kill()
                server.start()
                self.assertEqual(expected, everything(server))

    def test_without_the_feature_there_are_none(self):
        with programs.Ferula() as server:
            self.send(server, of_sample=True)
            self.assertEqual([v for _, v in everything(server)["a"][0]], ["5", "6", "1", "2", "0.5", "3"])


if __name__ == "__main__":
    unittest.main()
