"""A hundred hostile queries, ten at a time, in a 512 MiB cgroup while samples come in: every one ends with an
answer or a clear error, the process lives, ingestion goes on.

FERULA_HOSTILE=long adds three hundred, native histograms among them, twenty at a time in 1 GiB while 100,000 samples
come in a second: ingestion keeps 80 % of the rate it had before, and a query whose client has left is over in 250 ms.
"""

import json
import os
import random
import socket
import subprocess
import threading
import time
import unittest
import urllib.parse

import cgroup
import programs
import random_histograms
import remote

LIMIT = 512 << 20
SERIES = 20000
PARALLEL = 10
LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
ALL = '{__name__=~".+"}'
STATUSES = {200, 400, 422, 503}


def queries(start, end, at_least=100):
    """(path, parameters): huge ranges, cross joins, regex bombs, nesting, enormous output."""
    def instant(text):
        return "query", {"query": text, "time": end}

    def ranged(text, step=1, begin=start):
        return "query_range", {"query": text, "start": begin, "end": end, "step": step}

    ret = []
    for window in ("1h", "1d", "100y"):
        ret += [instant(f"{ALL}[{window}]"), ranged(f"rate({ALL}[{window}])"), ranged(f"sum_over_time({ALL}[{window}])"),
                instant(f"max_over_time(rate({ALL}[{window}])[{window}:1s])"), instant(f"quantile_over_time(0.5, {ALL}[{window}])")]
    for matching in ("on ()", "on (pod)", "on (job) group_left ()", "ignoring (pod) group_right ()", "on (__name__)"):
        ret += [instant(f"{ALL} * {matching} {ALL}"), ranged(f"{ALL} + {matching} {ALL}", 15)]
    for bomb in ("(a{0,900}){0,900}", "(.*)*(.*)*(.*)*x", "((((((((((x*)*)*)*)*)*)*)*)*)*", "(x+x+)+y", "[a-z]{1000}" * 20,
                 "|".join(f"a{i}.*b{i}" for i in range(4000)), ".*a.{500}b.*"):
        ret += [instant('count({pod=~"' + bomb + '"})'), ranged('sum({pod!~"' + bomb + '",job=~".+"})', 15)]
    ret += [instant("(" * 5000 + "1" + ")" * 5000), instant("-" * 20000 + "1"), instant("1" + "+1" * 30000),
            instant("sum(" * 900 + ALL + ")" * 900), instant("abs(" * 150 + ALL + ")" * 150), instant("up" + "[1m:1s]" * 100),
            instant("max_over_time(" * 40 + ALL + "[1m:1s])" * 40)]
    ret += [ranged(ALL), ranged(f"sort({ALL})"), ranged(f"topk(100000, {ALL})"), ranged(f'label_replace({ALL}, "x", "$1$1$1$1$1$1", "pod", "(.*)")'),
            ranged(f'label_join({ALL}, "x", "{"s" * 1000}", "pod", "pod", "pod", "pod")', 15), ranged(f'count_values("v", {ALL})', 15),
            ranged(f"{ALL} or {ALL} offset 1s or {ALL} offset 2s or {ALL} offset 3s"), instant(f"{ALL} unless {ALL} offset 1h"),
            ranged(f"absent_over_time({ALL}[1h])"), ranged("vector(1)", 0.001, end - 10), ranged(f"stddev by (pod) ({ALL})"),
            ranged(f"quantile by (job) (0.9, {ALL})"), ranged(f"histogram_quantile(0.9, {ALL})"), ranged(f"sum without (pod) ({ALL})"),
            ranged(f"group by (pod, instance) ({ALL})"), instant(f"limitk(1e18, {ALL})"), instant("topk(1e300, up)"),
            ("series", {"match[]": [ALL] * 20}), ("labels", {"match[]": [ALL] * 20}), ("label/pod/values", {"match[]": ALL}),
            ("query", {"query": "x" * 500000}), ("query", {"query": '{a=~"' + "x" * 100000 + '"}'})]
    while len(ret) < at_least:
        k = len(ret)
        ret.append(ranged(f"sum by (pod) (rate({ALL}[{k}m])) / sum by (pod) (rate({ALL}[{k + 1}m])) > bool {k}", 1 + k % 5))
    return ret


HISTOGRAMS = '{__name__=~"hostile_.*"}'


def histogram_queries(start, end):
    """The same of native histograms."""
    def instant(text):
        return "query", {"query": text, "time": end}

    def ranged(text, step=1, begin=start):
        return "query_range", {"query": text, "start": begin, "end": end, "step": step}

    h = HISTOGRAMS
    ret = [instant(f"{h}[1h]"), instant(f"{h}[1d:1s]"), ranged(h), ranged(f"{h} * 1e300 * 1e300"), ranged(f"-{h}"),
           ranged(f'count_values("v", {h})'), instant(f'count_values("v", {h} / 3)'), ranged(f"sort({h})"),
           instant(" + ".join([h] * 200)), ranged(" or ".join(f"{h} offset {k}s" for k in range(40))),
           ranged(f'histogram_quantiles({h}, "q", ' + ", ".join(f"0.{k}" for k in range(10)) + ")"),
           instant("histogram_quantile(0.9, " * 60 + h + ")" * 60), ranged(f"limitk(1e9, {h})"), ranged(f'label_replace({h}, "x", "$1$1$1$1", "pod", "(.*)")')]
    for outer in ("sum", "avg", "count", "group", "max", "stddev", "sum by (pod)", "avg by (pod, __name__)", "sum without (pod)"):
        ret += [ranged(f"{outer} ({h})"), ranged(f"{outer} (rate({h}[5m]))"), instant(f"{outer} (avg_over_time({h}[1h:1s]))")]
    for function in ("rate", "increase", "delta", "irate", "idelta", "resets", "changes", "sum_over_time", "avg_over_time", "last_over_time"):
        ret += [ranged(f"{function}({h}[1h])"), instant(f"max_over_time(histogram_count({function}({h}[1h]))[1h:1s])"),
                ranged(f"histogram_quantile(0.99, {function}({h}[10m]))"), ranged(f"histogram_fraction(0, 1, {function}({h}[10m:10s]))", 5)]
    for matching in ("on ()", "on (pod)", "on (pod) group_left ()", "ignoring (__name__)", "on () group_right (pod)"):
        for operator in ("+", "-", "==", "*", ">/"):
            ret.append(ranged(f"{h} {operator} {matching} {h}", 5))
    return ret


class Attack(unittest.TestCase):
    def ask(self, server, todo, ends):
        while todo:
            try:
                path, params = todo.pop()
            except IndexError:
                return
            begun = time.monotonic()
            # A form: some of these are longer than a URL may be.
            body = urllib.parse.urlencode(params, doseq=True).encode()
            method = "GET" if path.startswith("label/") else "POST"
            try:
                status, _, answer = server.request("/api/v1/" + path, params if method == "GET" else (), method, None if method == "GET" else body,
                                                   {"Content-Type": "application/x-www-form-urlencoded"})
            except OSError as error:
                ends.append((path, params, f"no answer: {error}", time.monotonic() - begun))
                continue
            said = "" if status == 200 else json.loads(answer)["error"] if answer.startswith(b"{") else answer.decode()
            ends.append((path, params, status, time.monotonic() - begun, said))

    def fill(self, server, begin):
        filled = subprocess.run([LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", str(SERIES), "--samples", "60",
                                 "--start", str(begin * 1000)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(filled.returncode, 0, filled.stderr)

    def load(self, server, begin, rate, series=5000, connections=2):
        return subprocess.Popen([LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", str(series), "--samples", "100000", "--from", "60",
                                 "--start", str((begin + 900) * 1000), "--step", "10", "--rate", str(rate), "--connections", str(connections)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def all_end(self, server, todo, parallel):
        """What became of the queries, so many at a time."""
        ends, count = [], len(todo)
        threads = [threading.Thread(target=self.ask, args=(server, todo, ends)) for _ in range(parallel)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(ends), count)
        return ends

    def still_well(self, server, load, ends, begin, longest=40):
        ended = load.poll()
        load.terminate()
        self.assertIsNone(ended, load.communicate()[1])
        self.assertIsNone(server.process.poll(), server.log()[-3000:])
        for end in ends:
            self.assertIn(end[2], STATUSES, str(end)[:600])
            self.assertLess(end[3], longest, str(end)[:600])
            self.assertTrue(end[2] == 200 or end[4], f"an error says why: {str(end)[:600]}")
        self.assertEqual(server.request("/-/healthy")[0], 200)
        self.assertTrue(server.instant("count(" + ALL + ")", time=begin + 60))


class Hostile(Attack):
    def test_the_server_lives_and_takes_samples(self):
        with cgroup.limited("ferula-hostile", LIMIT) as folder:
            server = programs.Ferula("--query.timeout=10s", "--query.max-concurrency=10")
            server.command = cgroup.command_in(folder, server.command)
            begin = int(time.time()) - 1200
            with server:
                self.fill(server, begin)
                load = self.load(server, begin, 20000)
                ends = self.all_end(server, queries(begin, begin + 60 * 15), PARALLEL)
                self.still_well(server, load, ends, begin)


@unittest.skipUnless(os.environ.get("FERULA_HOSTILE") == "long", "takes minutes: FERULA_HOSTILE=long")
class HostileLong(Attack):
    @staticmethod
    def write_histograms(server, begin):
        data = random_histograms.Data.__new__(random_histograms.Data)
        data.random = random.Random(1)
        made = []
        for i in range(400):
            value = data.customs(random_histograms.BOUNDS["api"]) if i % 4 == 0 else data.exponential(schema=i % 5)
            points = [((begin + 10 * k) * 1000, value(k)) for k in range(90)]
            made.append(random_histograms.message({"__name__": f"hostile_{i % 4}_seconds", "pod": f"pod-{i // 4}", "shard": str(i % 4)}, points))
        for i in range(0, len(made), 50):
            status, text = remote.write(server, *made[i:i + 50])
            assert status == 204, text

    @staticmethod
    def stored(server):
        for line in server.request("/metrics")[2].decode().splitlines():
            if line.startswith('prometheus_tsdb_head_samples_appended_total{type="float"}'):
                return float(line.split()[1])
        raise AssertionError("no such metric")

    @staticmethod
    def cpu_seconds(server):
        with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_after_leaving(self, server, path, params):
        """CPU seconds used while the client waits, and in half a second from 250 ms after it has left."""
        body = urllib.parse.urlencode(params).encode()
        before = self.cpu_seconds(server)
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"POST /api/v1/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body))
            time.sleep(0.5)
        used = self.cpu_seconds(server) - before
        time.sleep(0.25)
        before = self.cpu_seconds(server)
        time.sleep(0.5)
        return used, self.cpu_seconds(server) - before

    def rate_during(self, server, work):
        stored, begun = self.stored(server), time.monotonic()
        ret = work()
        return ret, (self.stored(server) - stored) / (time.monotonic() - begun)

    def test_three_hundred_in_a_gibibyte(self):
        for connections in (2, 8):  # a sender opens more when it falls behind
            with self.subTest(connections=connections):
                self.attack(connections)

    def attack(self, connections):
        with cgroup.limited("ferula-hostile", 2 * LIMIT) as folder:
            server = programs.Ferula("--query.timeout=10s", "--query.max-concurrency=20")
            server.command = cgroup.command_in(folder, server.command)
            begin = int(time.time()) - 1200
            with server:
                self.fill(server, begin)
                self.write_histograms(server, begin)
                load = self.load(server, begin, 100000, 16000, connections)
                time.sleep(2)
                _, before = self.rate_during(server, lambda: time.sleep(10))
                todo = histogram_queries(begin, begin + 900)
                todo += queries(begin, begin + 900, 300 - len(todo))
                random.Random(1).shuffle(todo)
                begun = time.monotonic()
                ends, during = self.rate_during(server, lambda: self.all_end(server, todo, 20))
                took = time.monotonic() - begun
                self.still_well(server, load, ends, begin, 120)  # some answers are long
                left = [self.cpu_after_leaving(server, *request) for request in (
                    ("query_range", {"query": f"sum(rate({HISTOGRAMS}[10m]))", "start": begin, "end": begin + 900, "step": 1}),
                    ("query", {"query": f"max_over_time(rate({ALL}[1h])[1h:1s])", "time": begin + 900}),
                    ("query_range", {"query": f"quantile(0.5, {ALL})", "start": begin, "end": begin + 900, "step": 1}),
                    ("query_range", {"query": HISTOGRAMS, "start": begin, "end": begin + 900, "step": 1}))]
                kinds = {}
                for end in ends:
                    kinds[end[2]] = kinds.get(end[2], 0) + 1
                print(f"# {connections} connections, {len(ends)} queries in {took:.0f} s, the longest {max(e[3] for e in ends):.1f} s; status {kinds}; {before:.0f} samples/s "
                      f"before, {during:.0f} during; CPU before and after leaving {left}", flush=True)
                self.assertGreater(during, 0.8 * before)
                for used, after in left:
                    self.assertLess(after, 0.1, f"after {used} s")


if __name__ == "__main__":
    unittest.main()
