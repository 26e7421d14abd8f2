"""Queries seen from outside: the query log beside that of Prometheus 3.5, the file of active queries, the list of those
under way and how to end one, what they cost, who goes first, and that nothing goes on once a client has left."""

import json
import os
import socket
import tempfile
import threading
import time
import unittest
import urllib.parse

import programs
import remote

NOW = int(time.time()) // 60 * 60
LONG = "deriv(deriv(vector(time() % 977)[1d:1s])[1d:1s])"


def fill(server):
    points = [((NOW - 600 + 15 * k) * 1000, k) for k in range(40)]
    status, text = remote.write(server, *(remote.series({"__name__": "cost_test", "pod": str(i)}, points) for i in range(200)))
    assert status == 204, text


def long_query(seconds_of_steps=3600):
    """Minutes of work."""
    return {"query": LONG, "start": NOW - seconds_of_steps, "end": NOW, "step": 1}


class Asking(threading.Thread):
    """A range query in the background; its answer is in `status` and `answer`."""

    def __init__(self, server, params, headers=None):
        super().__init__()
        self.server, self.params, self.headers = server, params, headers
        self.status = self.answer = self.ended = None
        self.start()

    def run(self):
        try:
            self.status, _, body = self.server.request("/api/v1/query_range", self.params, headers=self.headers)
            self.answer = json.loads(body)
        except OSError as error:  # the server was killed
            self.answer = error
        self.ended = time.monotonic()


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to that")
        time.sleep(0.01)


class QueryLog(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ferula-query-log-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.config = os.path.join(self.folder, "prometheus.yml")

    def write_config(self, name):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(json.dumps({"global": {"query_log_file": name} if name else {}}))

    def lines(self, name="query.log"):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def start(self, *flags):
        server = programs.Ferula(f"--config.file={self.config}", "--web.enable-lifecycle", *flags)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def test_lines_are_those_of_prometheus(self):
        self.write_config("query.log")
        requests = [("query", {"query": "up{a='<x>'}", "time": "1700000000.5"}, "GET"),
                    ("query_range", {"query": "vector(1)", "start": "1700000000", "end": "1700000060.25", "step": "15.5"}, "POST"),
                    ("query", {"query": 'label_replace(up, "x", "$1", "y", "(")'}, "GET"),
                    ("query", {"query": "vector(1) + on () (vector(1) or label_replace(vector(2), 'a', 'b', '', ''))", "time": "1700000000"}, "GET"),
                    ("query", {"query": "up ="}, "GET")]

        def ask(server):
            for path, params, method in requests:
                body = urllib.parse.urlencode(params).encode() if method == "POST" else None
                server.request("/api/v1/" + path, () if body else params, method, body,
                               {"Content-Type": "application/x-www-form-urlencoded"} if body else None)

        ask(self.start())
        ours = self.lines()
        with programs.Prometheus("{global: {query_log_file: query.log}}", suite="sid") as server:
            ask(server)
            with open(os.path.join(os.path.dirname(server.config_path), "query.log"), encoding="utf-8") as file:
                theirs = [json.loads(line) for line in file]
        self.assertEqual(len(ours), len(theirs))
        for a, b in zip(theirs, ours):
            self.assertEqual(set(b["stats"].pop("cost")), {"cpuSeconds", "samplesRead", "peakBytes"})
            self.assertEqual([k for k in a if k != "spanID"], list(b))
            if "1700000000" not in a["params"]["end"]:
                a["params"].pop("end"), b["params"].pop("end")
                a["params"].pop("start"), b["params"].pop("start")
            for key in ("level", "msg", "params", "httpRequest"):
                self.assertEqual(a[key], b[key])
            self.assertEqual(a.get("error"), b.get("error"))
            self.assertEqual(list(a["stats"]), list(b["stats"]))
            self.assertEqual(list(a["stats"]["timings"]), list(b["stats"]["timings"]))
            self.assertRegex(b["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_reload_begins_moves_and_ends_it(self):
        self.write_config(None)
        server = self.start()
        server.instant("vector(0)")
        for name, expected in (("a.log", [1]), ("b.log", [2]), (None, None)):
            self.write_config(name)
            self.assertEqual(server.request("/-/reload", method="POST")[0], 200)
            self.assertIn(f"prometheus_engine_query_log_enabled {1 if name else 0}\n", server.request("/metrics")[2].decode())
            server.instant(f"vector({expected[0] if expected else 3})")
            if name:
                self.assertEqual([line["params"]["query"] for line in self.lines(name)], [f"vector({n})" for n in expected])
        self.assertEqual(len(self.lines("a.log")), 1)
        self.assertEqual(len(self.lines("b.log")), 1)
        self.write_config("b.log")
        server.request("/-/reload", method="POST")
        os.rename(os.path.join(self.folder, "b.log"), os.path.join(self.folder, "old.log"))
        server.request("/-/reload", method="POST")
        server.instant("vector(4)")
        self.assertEqual(len(self.lines("b.log")), 1)
        self.write_config("no/such/folder/x.log")
        status, _, body = server.request("/-/reload", method="POST")
        self.assertEqual(status, 500)
        self.assertIn(b"no/such/folder/x.log", body)
        server.instant("vector(5)")
        self.assertEqual(len(self.lines("b.log")), 2)


class UnderWay(unittest.TestCase):
    def start(self, *flags):
        server = programs.Ferula("--web.enable-admin-api", *flags)
        self.addCleanup(server.__exit__)
        server.start()
        fill(server)
        return server

    @staticmethod
    def under_way(server):
        return server.api("admin/queries")

    def kill(self, server, ident, method="DELETE"):
        return server.request(f"/api/v1/admin/queries/{ident}", method=method)[0]

    def metric(self, server, name):
        for line in server.request("/metrics")[2].decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(name)

    def test_a_query_is_listed_and_killed(self):
        server = self.start()
        self.assertEqual(self.under_way(server), [])
        asking = Asking(server, long_query(), {"X-Scope-OrgID": "team <a>"})
        wait_until(lambda: self.under_way(server))
        told, = self.under_way(server)
        self.assertEqual((told["query"], told["client"], told["path"], told["state"]), (LONG, "team <a>", "/api/v1/query_range", "running"))
        self.assertEqual((told["start"], told["end"], told["step"]), (NOW - 3600, NOW, 1))
        with open(os.path.join(server.data, "queries.active"), "rb") as file:
            entry = file.read()
        self.assertEqual(entry[:1], b"[")
        self.assertEqual(json.loads(entry[1:1000].rstrip(b"\0"))["query"], LONG)
        self.assertEqual(self.kill(server, 10 ** 12), 404)
        self.assertEqual(self.kill(server, "x"), 404)
        begun = time.monotonic()
        self.assertEqual(self.kill(server, told["id"]), 204)
        asking.join(10)
        self.assertLess(asking.ended - begun, 5)  # of minutes; the machine may be busy with other things
        self.assertEqual((asking.status, asking.answer["errorType"], asking.answer["error"]),
                         (499, "canceled", "query was canceled in expression evaluation"))
        self.assertEqual(self.under_way(server), [])
        self.assertEqual(self.metric(server, "ferula_queries_killed_total"), 1)
        self.assertGreater(self.metric(server, "ferula_query_cpu_seconds_total"), 0)
        with open(os.path.join(server.data, "queries.active"), "rb") as file:
            self.assertEqual(file.read().strip(b"\0"), b"[")

    def test_without_the_flag_nothing_is_told(self):
        server = programs.Ferula()
        self.addCleanup(server.__exit__)
        server.start()
        for path, method in (("", "GET"), ("/1", "DELETE"), ("/1", "POST")):
            status, _, body = server.request("/api/v1/admin/queries" + path, method=method)
            self.assertEqual((status, json.loads(body)["error"]), (500, "admin APIs disabled"))

    def test_a_start_after_a_crash_tells_what_was_running(self):
        server = self.start()
        asking = [Asking(server, long_query()) for _ in range(2)]
        wait_until(lambda: len([q for q in self.under_way(server) if q["state"] == "running"]) == 2)
        server.kill()
        for a in asking:
            a.join(10)
        server.start()
        line, = [line for line in server.log().splitlines() if "didn't finish" in line]
        self.assertEqual(line.count("deriv(deriv"), 2)

    def test_costs_are_told_if_asked(self):
        server = self.start()
        params = {"query": "sum(rate(cost_test[5m]))", "start": NOW - 300, "end": NOW, "step": 15}
        plain = server.api("query_range", **params, stats="true")["stats"]
        self.assertNotIn("cost", plain)
        cost = server.api("query_range", **params, stats="all")["stats"]["cost"]
        self.assertGreater(cost["cpuSeconds"], 0)
        self.assertGreater(cost["peakBytes"], 1000)
        self.assertEqual(cost["samplesRead"], 200 * 39)  # ranges are open at the left

    def test_who_has_cost_least_goes_first(self):
        server = self.start("--query.max-concurrency=1")
        hog = [Asking(server, {**long_query(), "timeout": "300ms"}, {"X-Scope-OrgID": "hog"}) for _ in range(12)]
        wait_until(lambda: any(a.ended for a in hog))
        light = Asking(server, {"query": "sum(cost_test)", "start": NOW - 60, "end": NOW, "step": 15}, {"X-Scope-OrgID": "light"})
        light.join(20)
        self.assertEqual(light.status, 200)
        behind = sum(not a.ended or a.ended > light.ended for a in hog)
        for a in hog:
            a.join(20)
            self.assertEqual(a.status, 503)
        self.assertGreaterEqual(behind, 4)

    def test_nothing_goes_on_once_the_client_has_left(self):
        server = self.start()

        def cpu_seconds():
            with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        body = urllib.parse.urlencode(long_query()).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /api/v1/query_range HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            wait_until(lambda: self.under_way(server))
            time.sleep(0.2)
            before = cpu_seconds()
        wait_until(lambda: not self.under_way(server))
        self.assertLess(cpu_seconds() - before, 0.25)  # CPU time: a busy machine takes longer, not more of it
        before = cpu_seconds()
        time.sleep(0.5)
        self.assertLess(cpu_seconds() - before, 0.05)


if __name__ == "__main__":
    unittest.main()
