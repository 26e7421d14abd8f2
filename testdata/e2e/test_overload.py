"""More clients than work can be done for: idle and slow ones in crowds, writers faster than the store.

FERULA_OVERLOAD=long: 10,000 idle and 2,000 slow connections and five minutes of writing at twice what was sustained, with
the figures of docs/testing.md held; else a small crowd and a few seconds, with room for a machine that has other work.
"""

import os
import re
import resource
import select
import socket
import subprocess
import sys
import time
import unittest

import programs

LONG = os.environ.get("FERULA_OVERLOAD") == "long"
LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
IDLE, SLOW, PROBE_S = (10000, 2000, 30) if LONG else (1000, 200, 2)
P99_MS = 100 if LONG else 1000
BYTES_PER_IDLE = 8192
PEAK_S, FLOOD_S = (30, 300) if LONG else (1.5, 3)

# Asks for /-/healthy on a kept connection and on new ones in turn, and prints the times in ms.
PROBER = """
import http.client, sys, time
port, seconds = int(sys.argv[1]), float(sys.argv[2])
kept = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
end, took = time.monotonic() + seconds, []
while time.monotonic() < end:
    for fresh in (False, True):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30) if fresh else kept
        begin = time.monotonic()
        c.request("GET", "/-/healthy")
        r = c.getresponse()
        body = r.read()
        took.append(1000 * (time.monotonic() - begin))
        assert r.status == 200 and body, (r.status, body)
        if fresh:
            c.close()
    time.sleep(0.01)
took.sort()
print(len(took), took[len(took) // 2], took[len(took) * 99 // 100], took[-1])
"""


def quantiles(prober):
    """(requests, median, p99, most) in ms of a prober that has ended."""
    out, err = prober.communicate(timeout=600)
    if prober.returncode != 0:
        raise AssertionError(err)
    return [float(x) for x in out.split()]


def probe(server, seconds):
    return subprocess.Popen([sys.executable, "-c", PROBER, str(server.port), str(seconds)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def resident(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024


class Slow:
    """Connections that send a byte of a head or of a body now and then, and begin anew where they are cut off."""

    BODY = b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    HEAD = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX: "

    def __init__(self, server, n):
        self.port = server.port
        self.links = {}
        self.begun = 0
        self.poll = select.epoll()
        for _ in range(n):
            self.begin()

    def begin(self):
        link = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        link.setblocking(False)
        link.send(self.BODY if self.begun % 2 else self.HEAD)
        self.begun += 1
        self.links[link.fileno()] = link
        self.poll.register(link.fileno(), select.EPOLLIN | select.EPOLLHUP)

    def end(self, fd):
        self.poll.unregister(fd)
        self.links.pop(fd).close()

    def drip(self, seconds):
        """A byte on each connection every second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begin = time.monotonic()
            for link in list(self.links.values()):
                try:
                    link.send(b"x")
                except OSError:
                    self.end(link.fileno())
                    self.begin()
            while time.monotonic() - begin < 1 and time.monotonic() < until:
                for fd, _ in self.poll.poll(0.2):
                    self.end(fd)
                    self.begin()

    def close(self):
        for fd in list(self.links):
            self.end(fd)


class Overload(unittest.TestCase):
    def server(self, *flags):
        server = programs.Ferula(*flags)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def tell(self, text):
        if LONG:
            print(text, file=sys.stderr)

    def test_crowds_of_idle_and_slow_clients_cost_little_and_hold_up_nobody(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        want = IDLE + SLOW + 200
        if hard != resource.RLIM_INFINITY and hard < want:
            self.skipTest(f"{want} files are not allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, want), hard))
        server = self.server("--web.max-connections=16384")
        quantiles(probe(server, 1))  # what the first requests leave behind is not the connections'
        before = resident(server)
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(IDLE)]
        self.addCleanup(lambda: [link.close() for link in idle])
        for link in idle[::2]:  # half of them have had an answer
            link.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        for link in idle[::2]:
            self.assertIn(b"200 OK", link.recv(4096))
        time.sleep(1)
        each = (resident(server) - before) / IDLE
        self.tell(f"{IDLE} idle connections: {each:.0f} bytes each")
        self.assertLessEqual(each, BYTES_PER_IDLE)
        slow = Slow(server, SLOW)
        self.addCleanup(slow.close)
        prober = probe(server, PROBE_S)
        slow.drip(PROBE_S)
        n, median, p99, most = quantiles(prober)
        self.tell(f"and {SLOW} slow ones ({slow.begun} begun): {n:.0f} times healthy, median {median:.2f}, p99 {p99:.2f}, most {most:.1f} ms; "
                  f"{resident(server) / 2**20:.0f} MiB resident")
        self.assertLessEqual(p99, P99_MS)
        kept = sum(1 for link in idle[1::100] if self.still_open(link))
        self.assertEqual(kept, len(idle[1::100]))
        for link in idle[::100]:
            link.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200 OK", link.recv(4096))

    def test_as_many_files_as_are_allowed_are_opened(self):
        server = programs.Ferula()
        self.addCleanup(server.__exit__)
        server.command = ["/bin/sh", "-c", 'ulimit -Sn 256 && exec "$@"', "sh", *server.command]
        server.start()
        page = server.request("/metrics")[2].decode()
        self.assertEqual(float(re.search(r"^process_max_fds (\S+)", page, re.MULTILINE)[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1])

    def still_open(self, link):
        link.setblocking(False)
        try:
            return link.recv(1) != b""
        except BlockingIOError:
            return True
        finally:
            link.setblocking(True)

    def loadgen(self, server, seconds, start, *flags):
        """As many batches as 8 or 64 connections have equal parts of: none runs an hour ahead of another."""
        return subprocess.Popen(
            [LOADGEN, "--target", f"127.0.0.1:{server.port}", "--series", "32000", "--batch", "500", "--samples", "1000000", "--step", "1000",
             "--start", str(start), "--seconds", str(int(seconds + 0.5)), *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def appended(self, server):
        page = server.request("/metrics")[2].decode()
        return float(re.search(r'^prometheus_tsdb_head_samples_appended_total\{type="float"\} (\S+)', page, re.MULTILINE)[1])

    def goodput(self, server, seconds, act=lambda: time.sleep(0.2)):
        first, begin = self.appended(server), time.monotonic()
        while time.monotonic() - begin < seconds:
            act()
        return (self.appended(server) - first) / (time.monotonic() - begin)

    def test_twice_the_sustained_rate_is_survived(self):
        server = self.server("--web.max-connections=16384")
        start = int(time.time() * 1000) - 10 * 86400 * 1000
        writer = self.loadgen(server, PEAK_S + 2, start, "--connections", "8")
        time.sleep(1)
        peak = self.goodput(server, PEAK_S - 0.5)
        self.assertEqual(writer.wait(60), 0, writer.stdout.read())
        writer.stdout.close()
        start += 2 * 86400 * 1000
        writer = self.loadgen(server, FLOOD_S + 2, start, "--connections", "64", "--rate", str(int(2 * peak)))
        time.sleep(1)
        sizes, asked = [resident(server)], []

        def ask():
            begin = time.monotonic()
            status = server.request("/api/v1/query", [("query", "count(up) or vector(1)")])[0]
            asked.append((status, 1000 * (time.monotonic() - begin)))
            sizes.append(resident(server))
            time.sleep(0.2)

        rate = self.goodput(server, FLOOD_S - 1, ask)
        self.assertEqual(writer.wait(60), 0, writer.stdout.read())
        writer.stdout.close()
        times = sorted(t for _, t in asked)
        limit = sum(sizes[: len(sizes) // 4]) / (len(sizes) // 4)
        self.tell(f"peak {peak:.0f} samples/s, twice that offered: {rate:.0f} ({100 * rate / peak:.0f} %), {sizes[0] / 2**20:.0f} to {max(sizes) / 2**20:.0f} MiB "
                  f"(first quarter {limit / 2**20:.0f}), {len(asked)} queries, median {times[len(times) // 2]:.1f}, most {times[-1]:.1f} ms")
        self.assertEqual({status for status, _ in asked}, {200})
        self.assertLess(max(sizes), 1 << 30)
        if LONG:
            self.assertGreaterEqual(rate, 0.9 * peak)


if __name__ == "__main__":
    unittest.main()
