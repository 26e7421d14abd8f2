"""Series deleted from Ferula and from Prometheus 3.5: the same answers of the call and of all calls behind it, after restarts and
crashes, when what is deleted is cleaned away, and when each opens the directory of the other."""

import json
import os
import shutil
import tempfile
import time
import unittest

import programs
import remote

HOUR = 3600
BEGIN = 8744 * 54 * HOUR  # 2023; a multiple of all block ranges
HOURS, STEP, SERIES = 9, 60, 6  # three blocks and a head
END = BEGIN + HOURS * HOUR
FLAGS = ["--storage.tsdb.retention.time=100y", "--web.enable-admin-api", "--web.enable-remote-write-receiver"]
DELETE = "/api/v1/admin/tsdb/delete_series"

DELETIONS = [  # selectors, start, end; hours behind BEGIN
    (['steady{i="1"}'], 0.5, 3.2),
    (['steady{i="2"}'], 7.9, 8.5),
    (['steady{i="2"}'], 8.2, 8.7),
    (['{i="3"}', "no_such_series"], None, None),
    (['hourly{i="0"}'], 2, 7),
    (['steady{i=~"4|5"}', 'hourly{i="1",hour!="03"}'], 1, 20),
    (['steady{i="0"}'], 4, 3),
    (['steady{i="0"}'], -50, -10),
]
WRONG = [[], [("match[]", "")], [("match[]", "up{")], [("match[]", "up"), ("start", "soon")],
         [("match[]", "up"), ("end", "1e")]]


def labels_of(i, hour):
    return {"__name__": "steady", "i": str(i)} if i else {"__name__": "hourly", "hour": "%02d" % hour, "i": str(hour % 3)}


def write(server, first, last):
    per = HOUR // STEP
    for hour in range(first, last):
        parts = [remote.series(sorted(labels_of(i, hour).items()),
                               [((BEGIN + hour * HOUR + k * STEP) * 1000, float(i * 1000 + hour * per + k))
                                for k in range(per)]) for i in range(SERIES)]
        status, text = remote.write(server, *parts)
        assert status == 204, text


def answers(server):
    """What is compared: samples, series, labels and values, of all time and of parts of it."""
    spans = [(BEGIN - HOUR, END + HOUR), (BEGIN, BEGIN + 2 * HOUR - 1), (BEGIN + 8.3 * HOUR, BEGIN + 8.4 * HOUR),
             (BEGIN + 3 * HOUR, BEGIN + 3.5 * HOUR), (END - HOUR, END)]
    every = '{__name__=~"steady|hourly"}'
    found = {"samples": server.instant("%s[%dh]" % (every, HOURS + 2), time=END + HOUR),
             "steps": server.range("last_over_time(%s[2m])" % every, BEGIN, END, 600),
             "sum": server.range("sum by (__name__) (%s)" % every, BEGIN, END, 300)}
    for start, end in spans:
        span = {"start": start, "end": end}
        found["series", start] = sorted(server.api("series", **{"match[]": every}, **span), key=lambda l: sorted(l.items()))
        found["labels", start] = server.api("labels", **span)
        found["values", start] = server.api("label/i/values", **span)
        if end < END - 3 * HOUR:  # behind that Prometheus also lists series of its log that it has no samples of
            found["labels of", start] = server.api("labels", **{"match[]": 'hourly{i="1"}'}, **span)
            found["values of", start] = server.api("label/hour/values", **{"match[]": "hourly"}, **span)
    for name in ("samples", "steps", "sum"):
        found[name] = sorted(found[name], key=lambda r: sorted(r["metric"].items()))
    return found


def tombstones(server):
    """{block: (numTombstones, bytes of its file of tombstones)}"""
    found = {}
    for name in os.listdir(server.data):
        if len(name) == 26:
            with open(os.path.join(server.data, name, "meta.json"), encoding="utf-8") as file:
                count = json.load(file)["stats"].get("numTombstones", 0)
            with open(os.path.join(server.data, name, "tombstones"), "rb") as file:
                found[name] = count, file.read()
    return found


class Delete(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ferula-e2e-")
        self.addCleanup(shutil.rmtree, self.folder)

    def ferula(self, name):
        return programs.Ferula(*FLAGS[:2], data=os.path.join(self.folder, name))

    def prometheus(self, name):
        return programs.Prometheus("", *FLAGS, suite="sid", data=os.path.join(self.folder, name))

    def same(self, got, want, why=None):
        for key, value in want.items():
            self.assertEqual(got[key], value, (key, why))

    def both(self, ours, theirs):
        """The answers of Ferula on one directory and of Prometheus on another, which must be the same."""
        with self.ferula(ours) as ferula, self.prometheus(theirs) as prometheus:
            mine = answers(ferula)
            self.same(mine, answers(prometheus))
            ferula.stop()
            self.assertEqual(prometheus.stop(), 0)
        return mine

    def call(self, servers, path, params=()):
        """All servers must answer the same."""
        got = []
        for server in servers:
            status, _, body = server.request(path, params, method="POST")
            got.append((status, body.strip()))
        self.assertEqual(got[0], got[-1], params)
        return got[0]

    def copy(self, name, to):
        shutil.copytree(os.path.join(self.folder, name), os.path.join(self.folder, to))
        return to

    def test_as_prometheus(self):
        for first in range(0, HOURS, 3):  # a pass of maintenance at each start
            with self.ferula("ferula") as ferula:
                write(ferula, first, first + 3)
                ferula.stop()
        with self.ferula("ferula") as ferula:
            deadline = time.monotonic() + 30
            while len(tombstones(ferula)) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            ferula.stop()
        self.copy("ferula", "prometheus")
        whole = self.both("ferula", "prometheus")
        with self.ferula("ferula") as ferula, self.prometheus("prometheus") as prometheus:
            servers = [ferula, prometheus]
            for params in WRONG:
                self.assertEqual(self.call(servers, DELETE, params)[0], 400)
            for matchers, start, end in DELETIONS:
                params = [("match[]", m) for m in matchers]
                params += [(k, BEGIN + h * HOUR) for k, h in (("start", start), ("end", end)) if h is not None]
                self.assertEqual(self.call(servers, DELETE, params), (204, b""))
                self.same(answers(ferula), answers(prometheus), params)
            deleted = answers(ferula)
            self.assertNotEqual(deleted["samples"], whole["samples"])
            self.assertEqual(len(tombstones(ferula)), 3)
            self.assertEqual({b: n for b, (n, _) in tombstones(ferula).items()},
                             {b: n for b, (n, _) in tombstones(prometheus).items()})
            self.assertEqual({b: len(f) for b, (_, f) in tombstones(ferula).items()},
                             {b: len(f) for b, (_, f) in tombstones(prometheus).items()})
            ferula.kill()
            ferula.start()
            self.same(answers(ferula), deleted)
            ferula.stop()
            self.assertEqual(prometheus.stop(), 0)
        self.same(self.both("ferula", "prometheus"), deleted)
        self.same(self.both(self.copy("prometheus", "swapped"), self.copy("ferula", "given")), deleted)
        self.clean(deleted)

    def clean(self, deleted):
        """Names of series without samples are in the indexes until they are written anew."""
        with self.ferula("ferula") as ferula, self.prometheus("prometheus") as prometheus:
            servers = [ferula, prometheus]
            self.assertEqual(self.call(servers, "/api/v1/admin/tsdb/clean_tombstones"), (204, b""))
            cleaned = answers(ferula)
            self.same(cleaned, answers(prometheus))
            self.assertEqual(cleaned["samples"], deleted["samples"])
            self.assertEqual({n for n, _ in tombstones(ferula).values()}, {0})
            name = "prometheus_tsdb_tombstone_cleanup_seconds"
            told = [[line.split(" ")[0] for line in s.request("/metrics")[2].decode().splitlines() if line.startswith(name)]
                    for s in servers]
            self.assertEqual(told[0], told[1])
            ferula.stop()
            self.assertEqual(prometheus.stop(), 0)
        self.same(self.both("ferula", "prometheus"), cleaned)
        self.same(self.both("prometheus", "ferula"), cleaned)

    def test_only_when_enabled(self):
        with programs.Ferula() as ferula, programs.Prometheus("", suite="sid") as prometheus:
            self.assertEqual(self.call([ferula, prometheus], DELETE, [("match[]", "up")])[0], 500)
            for method in ("GET", "DELETE"):
                self.assertEqual(ferula.request(DELETE, [("match[]", "up")], method)[0], 405)


if __name__ == "__main__":
    unittest.main()
