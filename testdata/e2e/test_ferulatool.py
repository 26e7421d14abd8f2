"""ferulatool beside promtool 3.5: the same output on the same directories, and not a byte of them touched."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest

import programs
import remote

TOOL = os.environ.get("FERULATOOL", os.path.join(programs.ROOT, "build", "ferulatool"))
TESTDATA = os.path.join(programs.ROOT, "testdata")
BLOCKS = [f"blocks/{n}" for n in ("overlap-3.5", "prometheus-2.42", "prometheus-3.5", "promtool-2.42", "promtool-3.5")]
WALS = [f"wal/{n}" for n in sorted(os.listdir(os.path.join(TESTDATA, "wal"))) if n.startswith("prometheus-")]


def run(program, *args, cwd=None):
    return subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="surrogateescape", cwd=cwd, timeout=120)


def tool(*args, cwd=None):
    return run(TOOL, *args, cwd=cwd)


def fingerprint(folder):
    """Every name below the folder with its kind, time and content."""
    found = []
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            content = ""
            if name in files:
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).hexdigest()
            found.append((os.path.relpath(path, folder), os.stat(path).st_mtime_ns, content))
    return sorted(found)


def without_histograms(dump):
    """Native histograms are not read yet; their samples look like {labels} {count:...} time."""
    return [line for line in dump.splitlines() if "} {count:" not in line]


RANKING = re.compile(r"\d+ ")


def rankings(analysis):
    """{heading: lines}; ties may come in any order."""
    sections, lines = {}, []
    for line in analysis.splitlines():
        if line and not RANKING.match(line):
            lines = sections.setdefault(line, [])
        else:
            lines.append(line)
    return {heading: sorted(lines) for heading, lines in sections.items()}


class Corpus(unittest.TestCase):
    """Copies, since promtool puts a sandbox into what it reads and wants a wal folder there."""

    @classmethod
    def setUpClass(cls):
        cls.promtool = programs.peer("sid/promtool")
        cls.folder = tempfile.mkdtemp(prefix="ferula-e2e-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        for name in BLOCKS + WALS:
            shutil.copytree(os.path.join(TESTDATA, name), os.path.join(cls.folder, name))
            os.makedirs(os.path.join(cls.folder, name, "wal"), exist_ok=True)
            # What a server would clear away when it opens the directory.
            os.makedirs(os.path.join(cls.folder, name, "01M7Z15VP1J8DXM76VYSCD7CV4.tmp-for-creation"))

    def both(self, *args):
        want = run(self.promtool, *args, cwd=self.folder)
        before = fingerprint(self.folder)
        got = tool(*args, cwd=self.folder)
        self.assertEqual(fingerprint(self.folder), before, "the directory has been changed")
        return got, want

    def test_list(self):
        for name in BLOCKS + WALS:
            for flags in ([], ["-r"], ["--human-readable"]):
                with self.subTest(name=name, flags=flags):
                    got, want = self.both("tsdb", "list", *flags, name)
                    self.assertEqual((got.stdout, got.stderr, got.returncode), (want.stdout, "", 0))

    def test_dump(self):
        for name in BLOCKS + WALS:
            for command in ("dump", "dump-openmetrics"):
                with self.subTest(name=name, command=command):
                    got, want = self.both("tsdb", command, name)
                    self.assertEqual(want.returncode, 0)
                    self.assertEqual(got.stdout.splitlines(), without_histograms(want.stdout))
                    self.assertGreater(len(got.stdout.splitlines()), 90)

    def test_dump_tells_what_it_leaves_out(self):
        got, want = self.both("tsdb", "dump", "blocks/prometheus-3.5")
        self.assertIn("{count:", want.stdout)
        self.assertIn("native histograms", got.stderr)
        self.assertEqual(got.returncode, 1)

    def test_dump_of_a_range(self):
        for name, low, high in (("blocks/promtool-3.5", 1700008000000, 1700011000000),
                                ("blocks/promtool-2.42", 1700020000000, 1800000000000),
                                ("wal/prometheus-3.5-checkpoint", 1795246000000, 1795247000000)):
            for bounds in ([f"--min-time={low}"], [f"--max-time={high}"], [f"--min-time={low}", f"--max-time={high}"]):
                with self.subTest(name=name, bounds=bounds):
                    got, want = self.both("tsdb", "dump", *bounds, name)
                    self.assertEqual((got.stdout, got.returncode), (want.stdout, 0))

    def test_dump_of_some_series(self):
        for matches in (["special"], ['{id=~"1.*"}'], ["prefix", "special"], ['{a!=""}', "prefix", "nothing"],
                        ['{shard=~".*"}']):
            with self.subTest(matches=matches):
                got, want = self.both("tsdb", "dump", *(f"--match={m}" for m in matches), "blocks/promtool-3.5")
                self.assertEqual((got.stdout, got.returncode), (want.stdout, 0))

    def test_analyze(self):
        for name in BLOCKS:
            for flags in ([], ["--extended"], ["--match=many"], ['--match={id=~"1.*"}', "--extended"]):
                with self.subTest(name=name, flags=flags):
                    got, want = self.both("tsdb", "analyze", "--limit=1000", *flags, name)
                    self.assertEqual(rankings(got.stdout), rankings(want.stdout))
                    self.assertEqual((got.stderr, got.returncode), ("", 0))

    def test_analyze_shows_so_many(self):
        for limit in ("0", "1", "3", "7.9", "-2"):
            with self.subTest(limit=limit):
                got, want = self.both("tsdb", "analyze", "--limit=" + limit, "blocks/promtool-3.5")
                numbers = [[re.sub(r"^(\d+) .*", r"\1", line) for line in x.stdout.splitlines()] for x in (got, want)]
                self.assertEqual(*numbers)

    def test_analyze_of_a_named_block(self):
        name = "blocks/prometheus-3.5"
        for block in sorted(os.listdir(os.path.join(self.folder, name))):
            if len(block) == 26:
                got, want = self.both("tsdb", "analyze", "--limit=1000", name, block)
                self.assertEqual(rankings(got.stdout), rankings(want.stdout))
        got, want = self.both("tsdb", "analyze", name, "01M7Z15VP1J8DXM76VYSCD7CV5")
        self.assertEqual((got.stdout, got.stderr, got.returncode), (want.stdout, want.stderr, want.returncode))

    def test_errors_are_promtools(self):
        os.makedirs(os.path.join(self.folder, "empty"), exist_ok=True)
        for args in (["list", "nope"], ["analyze", "nope"], ["analyze", "empty"], ["list", "empty"],
                     ["analyze", "--match={", "blocks/promtool-3.5"], ["lisst"], [], ["list", "--foo"], ["list", "-x"],
                     ["list", "a", "b"], ["dump", "--min-time"], ["dump", "--min-time=x"],
                     ["dump", "--min-time=99999999999999999999"], ["dump", "--min-time=1", "--min-time=2"],
                     ["analyze", "--limit=x"], ["list", "-r", "-r"], ["list", "--", "-x"]):
            with self.subTest(args=args):
                got, want = self.both("tsdb", *args)
                self.assertEqual(got.stdout, want.stdout)
                self.assertEqual(got.stderr.replace("ferulatool:", "promtool:"), want.stderr)
                self.assertEqual(got.returncode, want.returncode)


class Verify(unittest.TestCase):
    def test_a_finding_is_a_line_and_an_exit_code(self):
        with tempfile.TemporaryDirectory(prefix="ferula-e2e-") as folder:
            data = os.path.join(folder, "data")
            shutil.copytree(os.path.join(TESTDATA, "blocks/promtool-3.5"), data)
            whole = tool("tsdb", "verify", data)
            self.assertEqual(whole.stdout, "2 blocks, 92 series, 92 chunks, 0 log segments, 0 records, "
                                           "1104 samples: 0 findings\n")
            self.assertEqual((whole.stderr, whole.returncode), ("", 0))
            block = "01M7Z15R8TYMEMMG2KXZSG9WY0"
            chunks = os.path.join(data, block, "chunks", "000001")
            with open(chunks, "r+b") as file:
                file.seek(100)
                byte = file.read(1)[0]
                file.seek(100)
                file.write(bytes([byte ^ 1]))
            for args in ([data], [data, block]):
                before = fingerprint(data)
                damaged = tool("tsdb", "verify", *args)
                self.assertRegex(damaged.stdout.splitlines()[0], re.escape(chunks) + r": \d+: chunk .*: checksum mismatch$")
                self.assertRegex(damaged.stdout, r"[1-9] findings\n$")
                self.assertEqual(damaged.returncode, 1)
                self.assertEqual(fingerprint(data), before)
            other = tool("tsdb", "verify", data, "01M7Z15RCAKNMYKHTD5QS57WMF")
            self.assertEqual(other.returncode, 0, other.stdout)


class Live(unittest.TestCase):
    def assert_whole(self, folder):
        """At most a write that never finished is told."""
        checked = tool("tsdb", "verify", folder)
        self.assertEqual(checked.stderr, "")
        lines = checked.stdout.splitlines()
        self.assertEqual([line for line in lines[:-1] if "never finished" not in line], [])
        self.assertRegex(lines[-1], r"[1-9]\d* records")

    def test_a_running_and_a_killed_ferula(self):
        now = int(time.time()) * 1000
        with programs.Ferula() as server:
            for i in range(20):
                sent = [remote.series({"__name__": "live", "i": str(k)}, [(now + i, k)]) for k in range(100)]
                self.assertEqual(remote.write(server, *sent)[0], 204)
            self.assert_whole(server.data)
            live = tool("tsdb", "dump", server.data)
            self.assertEqual((len(live.stdout.splitlines()), live.returncode), (2000, 0), live.stderr)
            server.kill()
            self.assert_whole(server.data)
            server.start()

    def test_a_running_and_a_killed_prometheus(self):
        promtool = programs.peer("sid/promtool")
        port = programs.free_port()
        config = ("scrape_configs: [{job_name: self, scrape_interval: 100ms, scrape_timeout: 100ms, "
                  f"static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]")
        with programs.Prometheus(config, suite="sid", port=port) as server:
            deadline = time.monotonic() + 20
            while not server.instant("count_over_time(up[1m]) >= 5"):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)
            live = tool("tsdb", "dump", "--match=up", server.data)
            self.assertEqual(live.returncode, 0, live.stderr)
            self.assertGreaterEqual(len(live.stdout.splitlines()), 5)
            self.assert_whole(server.data)
            server.kill()
            self.assert_whole(server.data)
            got = tool("tsdb", "dump", server.data)
            want = run(promtool, "tsdb", "dump", server.data)
            self.assertEqual((got.returncode, want.returncode), (0, 0), got.stderr)
            self.assertEqual(sorted(got.stdout.splitlines()), sorted(without_histograms(want.stdout)))
