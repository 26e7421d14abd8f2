"""A hundred hostile queries, ten at a time, in a 512 MiB cgroup while samples come in: every one ends with an
answer or a clear error, the process lives, ingestion goes on."""

import json
import os
import subprocess
import threading
import time
import unittest
import urllib.parse

import cgroup
import programs

LIMIT = 512 << 20
SERIES = 20000
PARALLEL = 10
LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
ALL = '{__name__=~".+"}'
STATUSES = {200, 400, 422, 503}


def queries(start, end):
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
    while len(ret) < 100:
        k = len(ret)
        ret.append(ranged(f"sum by (pod) (rate({ALL}[{k}m])) / sum by (pod) (rate({ALL}[{k + 1}m])) > bool {k}", 1 + k % 5))
    return ret


class Hostile(unittest.TestCase):
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

    def test_the_server_lives_and_takes_samples(self):
        with cgroup.limited("ferula-hostile", LIMIT) as folder:
            server = programs.Ferula("--query.timeout=10s", "--query.max-concurrency=10")
            server.command = cgroup.command_in(folder, server.command)
            with server:
                self.attack(server)

    def attack(self, server):
        begin = int(time.time()) - 1200
        filled = subprocess.run([LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", str(SERIES), "--samples", "60",
                                 "--start", str(begin * 1000)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(filled.returncode, 0, filled.stderr)
        load = subprocess.Popen([LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", "5000", "--samples", "100000", "--from", "60",
                                 "--start", str((begin + 900) * 1000), "--step", "10", "--rate", "20000"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ends, todo = [], queries(begin, begin + 60 * 15)
        count = len(todo)
        threads = [threading.Thread(target=self.ask, args=(server, todo, ends)) for _ in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ended = load.poll()
        load.terminate()
        self.assertIsNone(ended, load.communicate()[1])
        self.assertIsNone(server.process.poll(), server.log()[-3000:])
        for end in ends:
            self.assertIn(end[2], STATUSES, str(end)[:600])
            self.assertLess(end[3], 40, str(end)[:600])
            self.assertTrue(end[2] == 200 or end[4], f"an error says why: {str(end)[:600]}")
        self.assertEqual(len(ends), count)
        self.assertEqual(server.request("/-/healthy")[0], 200)
        self.assertTrue(server.instant("count(" + ALL + ")", time=begin + 60))


if __name__ == "__main__":
    unittest.main()
