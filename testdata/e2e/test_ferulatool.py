"""ferulatool beside promtool 3.5: the same output on the same directories, and not a byte of them touched."""

import collections
import glob
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import programs
import random_histograms
import remote

TOOL = os.environ.get("FERULATOOL", os.path.join(programs.ROOT, "build", "ferulatool"))
TESTDATA = os.path.join(programs.ROOT, "testdata")
BLOCKS = [f"blocks/{n}" for n in ("overlap-3.5", "prometheus-2.42", "prometheus-3.5", "promtool-2.42", "promtool-3.5")]
HEADS = ["chunks_head/prometheus-2.42", "chunks_head/prometheus-3.5"]
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
    """The samples of native histograms look like {labels} {count:...} time."""
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
        for name in BLOCKS + WALS + HEADS + ["histograms/prometheus-3.5"]:
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

    def assert_same_dump(self, got, want):
        """promtool 3.5 leaves out the first histograms of a run: of integer ones two, of float ones one."""
        self.assertEqual(without_histograms(got), without_histograms(want))
        missing = list(got.splitlines())
        for line in want.splitlines():
            missing.remove(line)
        counts = collections.Counter(line.split(" {count:")[0] for line in missing)
        self.assertLessEqual(max(counts.values(), default=0), 2, counts)

    def test_dump(self):
        for name in BLOCKS + WALS:
            for command in ("dump", "dump-openmetrics"):
                with self.subTest(name=name, command=command):
                    got, want = self.both("tsdb", command, name)
                    self.assertEqual(want.returncode, 0)
                    self.assert_same_dump(got.stdout, want.stdout)
                    self.assertEqual(got.returncode, 0)
                    self.assertGreater(len(got.stdout.splitlines()), 90)

    def test_dump_shows_native_histograms(self):
        for name in ("blocks/prometheus-3.5", "histograms/prometheus-3.5"):
            # Counts beyond 2^53 are shown rounded.
            got, want = self.both("tsdb", "dump", '--match={__name__!="extremes"}', name)
            self.assertIn("{count:", want.stdout)
            self.assert_same_dump(got.stdout, want.stdout)

    def test_dump_with_head_chunks(self):
        for name in HEADS:
            # As a crash may leave it; a server removes it. promtool reads it as damage.
            unborn = os.path.join(self.folder, name, "chunks_head", "000003")
            for command in ("dump", "dump-openmetrics"):
                with self.subTest(name=name, command=command):
                    got, want = self.both("tsdb", command, name)
                    self.assertEqual((got.stdout, got.stderr, got.returncode), (want.stdout, "", 0))
                    with open(unborn, "wb"):
                        before = fingerprint(self.folder)
                    again = tool("tsdb", command, name, cwd=self.folder)
                    self.assertEqual((again.stdout, again.stderr, again.returncode), (want.stdout, "", 0))
                    self.assertEqual(fingerprint(self.folder), before)
                    os.unlink(unborn)

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
        for name in BLOCKS + ["histograms/prometheus-3.5"]:
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


class Inspect(unittest.TestCase):
    """Every command on golden files: as text, and as JSON that says the same."""

    block = os.path.join(TESTDATA, "blocks/prometheus-3.5/01M7Z15VR0A6FYG6B0YCC4G7D7")
    wal = os.path.join(TESTDATA, "wal/prometheus-3.5-checkpoint/wal")
    head = os.path.join(TESTDATA, "chunks_head/prometheus-3.5/chunks_head")

    def lines(self, *args, code=0):
        text = tool("tsdb", "inspect", *args)
        self.assertEqual((text.returncode, text.stderr), (code, ""), text.stdout)
        as_json = tool("tsdb", "inspect", *args, "--json")
        self.assertEqual((as_json.returncode, as_json.stderr), (code, ""))
        objects = [json.loads(line) for line in as_json.stdout.splitlines()]
        found = text.stdout.splitlines()
        self.assertEqual([line.split(" ")[0] for line in found], [o["kind"] for o in objects])
        for line, object in zip(found, objects):
            for key in object:
                self.assertIn(key if key == "kind" else f" {key}=", "kind" + line)
        return found, objects

    def test_block(self):
        text, objects = self.lines("block", self.block)
        with open(os.path.join(self.block, "meta.json"), encoding="utf-8") as file:
            meta = json.load(file)
        self.assertEqual(objects[0]["ulid"], meta["ulid"])
        self.assertEqual(objects[0]["samples"], meta["stats"]["numSamples"])
        self.assertEqual([o["ulid"] for o in objects if o["kind"] == "source"], meta["compaction"]["sources"])
        self.assertEqual(sum(o["kind"] == "tombstone" for o in objects), meta["stats"]["numTombstones"])
        self.assertEqual(self.lines("meta", self.block)[0], text[: len(self.lines("meta", self.block)[0])])
        self.assertEqual(self.lines("tombstones", self.block)[0], [line for line in text if line.startswith("tombstone ")])

    def test_series_and_chunks_hold_what_a_dump_shows(self):
        data = os.path.dirname(self.block)
        dump = tool("tsdb", "dump", "--match=many", data).stdout.splitlines()
        text, objects = self.lines("series", "--chunks", "--match=many", self.block)
        series = [o for o in objects if o["kind"] == "series"]
        self.assertEqual([s["labels"]["id"] for s in series], sorted(str(i) for i in range(12)))
        self.assertIn('labels={__name__="many", id="0", shard="0"}', text[0])
        chunks = [o for o in objects if o["kind"] == "chunk"][:3]
        samples = []
        for chunk in chunks:
            got = self.lines("chunk", "--samples", self.block, str(chunk["ref"]))[1]
            self.assertEqual((got[0]["encoding"], got[0]["samples"]), ("xor", len(got) - 1))
            self.assertEqual((got[1]["time"], got[-1]["time"]), (chunk["min_time"], chunk["max_time"]))
            samples += [f"{s['value']} {s['time']}" for s in got[1:]]
        shown = [line.rsplit("} ", 1)[1] for line in dump if 'id="0"' in line]
        self.assertEqual(samples, shown[: len(samples)])
        self.assertEqual(len(self.lines("series", "--limit=2", self.block)[0]), 2)

    def test_chunks_of_histograms_hold_what_a_dump_shows(self):
        data = os.path.join(TESTDATA, "histograms", "prometheus-3.5")
        block = next(entry.path for entry in os.scandir(data) if entry.is_dir())
        encodings = collections.Counter()
        for name in ("custom", "resets", "widening_float", "gauges_float"):
            shown = [line.split("} ", 1)[1] for line in tool("tsdb", "dump", f"--match={name}", data).stdout.splitlines()]
            samples = []
            for chunk in self.lines("series", "--chunks", f"--match={name}", block)[1]:
                if chunk["kind"] == "chunk":
                    got = self.lines("chunk", "--samples", block, str(chunk["ref"]))[1]
                    encodings[got[0]["encoding"]] += 1
                    samples += [f"{s['histogram']} {s['time']}" for s in got[1:]]
            self.assertEqual(shown, samples)
            self.assertGreater(len(samples), 20)
        self.assertEqual(set(encodings), {"histogram", "float_histogram"})

    def test_index_and_postings(self):
        names = [o for o in self.lines("index", self.block)[1] if o["kind"] == "label"]
        self.assertEqual(names, self.lines("postings", self.block)[1])
        for name in names:
            values = self.lines("postings", self.block, name["name"])[1]
            self.assertEqual(len(values), name["values"])
            for value in values:
                series = self.lines("postings", self.block, name["name"], value["value"])[1]
                self.assertEqual(len(series), value["series"])
                self.assertEqual({s["labels"][name["name"]] for s in series}, {value["value"]})
        missing = tool("tsdb", "inspect", "postings", self.block, "nothing")
        self.assertEqual((missing.returncode, missing.stderr), (1, "there is no label nothing\n"))

    def test_logs(self):
        whole = self.lines("wal", self.wal)[1]
        self.assertEqual([o["kind"] for o in whole], ["checkpoint"] + 5 * ["segment"])
        self.assertEqual([whole[1]], self.lines("checkpoint", os.path.join(self.wal, "checkpoint.00000002"))[1])
        samples = 0
        for segment in whole[2:]:
            records = self.lines("segment", "--records", segment["file"])[1]
            self.assertEqual(records[-1], segment)
            kinds = [r["type"] for r in records[:-1]]
            self.assertEqual((kinds.count("series"), kinds.count("samples")), (segment["series"], segment["samples"]))
            for record in records[:-1]:
                items = self.lines("record", segment["file"], str(record["offset"]))[1]
                self.assertEqual(items[0], record)
                samples += sum(i["kind"] == "sample" for i in items)
        self.assertEqual(samples, 374)

    def test_head_chunks(self):
        files = self.lines("chunks_head", self.head)[1]
        chunks = self.lines("chunks_head", "--chunks", self.head)[1]
        self.assertEqual([f["chunks"] for f in files], [13, 6])
        self.assertEqual(sum(o["kind"] == "chunk" for o in chunks), 19)
        samples = self.lines("chunks_head", "--samples", self.head)[1]
        self.assertEqual([o for o in samples if o["kind"] != "sample"], chunks)

    def test_damage_is_named_and_the_rest_shown(self):
        with tempfile.TemporaryDirectory(prefix="ferula-e2e-") as folder:
            block = os.path.join(folder, os.path.basename(self.block))
            shutil.copytree(self.block, block)
            for name, offset in (("index", 310), ("chunks/000001", 20), ("tombstones", 8)):
                with open(os.path.join(block, name), "r+b") as file:
                    file.seek(offset)
                    file.write(b"\xa5")
            series = self.lines("series", block, code=1)[1]
            self.assertEqual(sum(o["kind"] == "series" for o in series), 18)
            damage = [o for o in series if o["kind"] == "damage"]
            self.assertTrue(all(o["file"] == os.path.join(block, "index") for o in damage[:1]))
            self.assertIn("checksum mismatch", damage[0]["what"])
            self.assertIn("checksum mismatch", self.lines("chunk", block, "8", code=1)[1][0]["what"])
            whole = self.lines("block", block, code=1)[1]
            self.assertEqual([o["what"] for o in whole if o["kind"] == "damage"], ["tombstones: checksum did not match"])
            os.truncate(os.path.join(block, "index"), 1000)
            whole = self.lines("block", block, code=1)[1]
            self.assertEqual([o["kind"] for o in whole if o["kind"] not in ("source", "parent")],
                             ["meta", "damage", "segment", "damage"])
            wal = os.path.join(folder, "wal")
            shutil.copytree(self.wal, wal)
            with open(os.path.join(wal, "00000003"), "r+b") as file:
                file.seek(60)
                file.write(b"\xa5")
            lost = self.lines("wal", wal, code=1)[1]
            self.assertEqual([o["kind"] for o in lost], ["checkpoint", "segment", "damage"] + 4 * ["segment"])


class AllTypes(unittest.TestCase):
    """Directories with all there is, made by Prometheus 3.5 (log in zstd) and by Ferula: floats, native histograms of integers, floats and
    custom buckets, gauges of them, stale markers, samples out of order, exemplars, metadata, deletions; in blocks, the logs and chunks_head;
    and by 2.42, of what it knows: all in order, no custom buckets, no metadata. Each is killed, and another Prometheus 3.5 on a copy tells
    what a server finds there."""

    BEGIN, STEP, LAST = 1700006400, 60, 345
    CONFIG = "storage: {tsdb: {out_of_order_time_window: 4h}}"
    FLAGS = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y", "--web.enable-admin-api"]
    STALE_EACH = 97
    DELETED = [("f", BEGIN + 1000, BEGIN + 3000), ("h_int", BEGIN + 3000, BEGIN + 5000),
               ("h_float", BEGIN + (LAST - 60) * STEP, BEGIN + (LAST - 50) * STEP)]

    @classmethod
    def setUpClass(cls):
        cls.promtool = programs.peer("sid/promtool")
        cls.folder = tempfile.mkdtemp(prefix="ferula-e2e-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        config = os.path.join(cls.folder, "ferula.yml")
        with open(config, "w", encoding="ascii") as file:
            file.write(cls.CONFIG)
        data = {who: os.path.join(cls.folder, who) for who in ("prometheus", "ferula", "older")}
        cls.makers = {"prometheus": cls.prometheus(data["prometheus"], "--storage.tsdb.wal-compression-type=zstd"),
                      "ferula": programs.Ferula("--enable-feature=exemplar-storage", f"--config.file={config}", *cls.FLAGS[1:], data=data["ferula"]),
                      "older": programs.Prometheus("", "--enable-feature=native-histograms,exemplar-storage", *cls.FLAGS, data=data["older"])}
        cls.data, cls.found = data, {}
        for who, server in cls.makers.items():
            with server:
                if who == "older":
                    cls.fill_in_order(server)
                else:
                    cls.fill(server)
                cls.delete(server)
                server.kill()
            copy = os.path.join(cls.folder, "copy")
            shutil.copytree(server.data, copy)
            with cls.prometheus(copy) as other:
                cls.found[who] = cls.samples(other)
            shutil.rmtree(copy)

    @classmethod
    def prometheus(cls, data, *flags):
        return programs.Prometheus(cls.CONFIG, "--enable-feature=native-histograms,exemplar-storage,metadata-wal-records", *cls.FLAGS, *flags,
                                   suite="sid", data=data)

    @classmethod
    def is_stale(cls, k):
        return k % cls.STALE_EACH == cls.STALE_EACH - 1

    @classmethod
    def value(cls, i, k):
        if cls.is_stale(k):
            return remote.STALE
        return (1.5 * k, -k, float("nan"), 1e300, float("inf"))[k % 5] if i == 2 else k + i / 8

    @classmethod
    def histogram(cls, name, k):
        make = random_histograms.make
        is_float = name.endswith("_float")
        if cls.is_stale(k) and name != "mixed":
            return make.stale(is_float)
        unit = 0.25 if is_float else 1
        if "custom" in name:
            bounds = (0.1, 1.0, 5.0) if k < 250 else (0.5, 1.0)
            return make.Histogram({i: (k + i) * unit for i in range(len(bounds) + k % 2)}, schema=make.CUSTOM, is_float=is_float, custom=bounds)
        if "gauge" in name:
            return make.Histogram({0: k * 7919 % 13 * unit, 1: k * 31 % 7 * unit, 5: unit}, zero=k % 3 * unit, is_float=is_float, hint=make.GAUGE)
        buckets = {**{i: (10 + k % 200 + i) * unit for i in range(2 + k // 40)}, 13: unit}  # more as it grows, and a reset
        return make.Histogram(buckets, {0: (5 + k % 200) * unit, 3: 2 * unit}, zero=k % 200 * unit, schema=1 if k < 300 else 0, threshold=0.001,
                              is_float=is_float)

    @classmethod
    def put(cls, server, k):
        t, request = (cls.BEGIN + k * cls.STEP) * 1000, remote.Request2()
        for i in range(3):
            trace = remote.field(1, remote.varint(request.ref("trace_id")) + remote.varint(request.ref(f"t{k}")))
            request.add({"__name__": "f", "i": str(i), "job": "größe" if i else 'x y"\\\n'}, [(t, cls.value(i, k))], kind=2, text="A float.", unit="s",
                        tail=remote.field(4, trace + remote.exemplar2(k, t)[2:]) if k % 10 == 0 else b"")
        for name in ("h_int", "h_float", "h_gauge", "h_gauge_float", "h_custom", "h_custom_float"):
            request.add({"__name__": name, "job": "a"}, [], tail=remote.field(3, cls.histogram(name, k).wire(t)), kind=3, text=name, unit="By")
        if k // 30 % 2:
            request.add({"__name__": "mixed"}, [(t, k)])
        else:
            request.add({"__name__": "mixed"}, [], tail=remote.field(3, cls.histogram("mixed", k).wire(t)))
        status, text, _ = remote.write2(server, request)
        assert status == 204, (k, text)

    @classmethod
    def fill(cls, server):
        """Each fifth sample comes up to 25 late; of the last ones some when blocks have been made."""
        late = []
        for k in range(cls.LAST):
            if k % 5 == 3:
                late.append(k)
            else:
                cls.put(server, k)
            if k % 25 == 24:
                while len(late) > 1:
                    cls.put(server, late.pop(0))
            # Else there may be two blocks of late samples beyond what is in order; Prometheus merges them and takes their end for the log's begin.
            if k == 200 and not isinstance(server, programs.Ferula):
                cls.wait_for_blocks(server, 7200)
        is_ferula = isinstance(server, programs.Ferula)
        if not is_ferula:
            cls.wait_for_blocks(server, 14400)
        server.stop()  # then Prometheus writes its chunks_head
        server.start()  # then Ferula cuts blocks
        if is_ferula:
            cls.wait_for_blocks(server, 14400)
        for k in reversed(late):
            cls.put(server, k)

    @classmethod
    def fill_in_order(cls, server):
        """By 1.0."""
        for k in range(cls.LAST):
            t, told = (cls.BEGIN + k * cls.STEP) * 1000, []
            for i in range(3):
                trace = remote.label("trace_id", f"t{k}") + b"\x11" + struct.pack("<d", k) + b"\x18" + remote.varint(t)
                told.append(remote.series({"__name__": "f", "i": str(i), "job": "größe" if i else 'x y"\\\n'}, [(t, cls.value(i, k))],
                                          remote.field(3, trace) if k % 10 == 0 else b""))
            for name in ("h_int", "h_float", "h_gauge", "h_gauge_float"):
                told.append(remote.series({"__name__": name, "job": "a"}, [], remote.field(4, cls.histogram(name, k).wire(t))))
            status, text = remote.write(server, *told)
            assert status == 204, (k, text)
        cls.wait_for_blocks(server, 14400, has_late=False)
        server.stop()
        server.start()

    @classmethod
    def delete(cls, server):
        for name, low, high in cls.DELETED:
            status, _, text = server.request("/api/v1/admin/tsdb/delete_series", [("match[]", name), ("start", low), ("end", high)], method="POST")
            assert status == 204, text

    @staticmethod
    def metas(data):
        for path in glob.glob(os.path.join(data, "0*", "meta.json")):
            with open(path, encoding="ascii") as file:
                yield json.load(file)

    @classmethod
    def wait_for_blocks(cls, server, end, has_late=True):
        """Of what is in order up to `end`, and of what is late in the two hours behind that."""
        deadline = time.monotonic() + 30
        end = (cls.BEGIN + end) * 1000
        while True:
            try:
                found = {(m["maxTime"], "hints" in m["compaction"]) for m in cls.metas(server.data)}
            except FileNotFoundError:  # a block was merged and removed
                continue
            if (end, False) in found and (not has_late or (end + 7200000, True) in found):
                return
            assert time.monotonic() < deadline, (found, server.log())
            time.sleep(0.1)

    @classmethod
    def samples(cls, server):
        """{(series as JSON, ms): value, or of a histogram (count, sum)}"""
        ret = {}
        for s in server.instant('{__name__!=""}[10h]', time=cls.BEGIN + cls.LAST * cls.STEP):
            labels = json.dumps(s["metric"], sort_keys=True)
            for t, v in s.get("values", []) + s.get("histograms", []):
                ret[labels, round(t * 1000)] = (float(v["count"]), float(v["sum"])) if isinstance(v, dict) else float(v)
        return ret

    @classmethod
    def is_deleted(cls, labels, t):
        return any(json.loads(labels)["__name__"] == name and low * 1000 <= t <= high * 1000 for name, low, high in cls.DELETED)

    @classmethod
    def comes_back(cls, labels, t):
        """A late sample in chunks_head may be in a block and deleted there: Prometheus takes it in again (docs/formats/chunks_head.md). What is
        late in the head and deleted there Ferula shows, Prometheus only when it is in a block (docs/compatibility.md)."""
        return cls.is_deleted(labels, t) and (t // 1000 - cls.BEGIN) // cls.STEP % 5 == 3

    @staticmethod
    def parse(line):
        """((series as JSON, ms), value) of a line of dump"""
        labels, rest = line.split("} ", 1)
        pairs = {name: json.loads(value) for name, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*")', labels)}
        text, t = rest.rsplit(" ", 1)
        if text.startswith("{"):
            count, total = re.match(r"\{count:(.+?), sum:(.+?)[,}]", text).groups()
            return (json.dumps(pairs, sort_keys=True), int(t)), (float(count), float(total))
        return (json.dumps(pairs, sort_keys=True), int(t)), float(text)

    def test_each_has_all_parts(self):
        for who, data in self.data.items():
            parts = {os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(data, "*", "0*")) if os.path.getsize(p)}
            self.assertLessEqual({"wal", "chunks_head"} | ({"wbl"} if who != "older" else set()), parts, who)
            self.assertGreater(len(list(self.metas(data))), 1)
            self.assertIn("mixed" if who != "older" else "h_gauge", {json.loads(labels)["__name__"] for labels, _ in self.found[who]})

    def test_dump_has_what_a_server_finds(self):
        for who, data in self.data.items():
            before = fingerprint(data)
            dump = tool("tsdb", "dump", data)
            self.assertEqual((dump.stderr, dump.returncode, fingerprint(data)), ("", 0, before))
            lines = [self.parse(line) for line in dump.stdout.splitlines()]
            self.assertEqual(len(lines), len(dict(lines)), "a sample twice")
            stale = {key for key, _ in lines if self.is_stale((key[1] // 1000 - self.BEGIN) // self.STEP) and '"mixed"' not in key[0]}
            self.assertEqual(len(stale), 3 * (7 if who == "older" else 9) - 1)  # one is deleted
            got = {key: str(v) for key, v in lines if key not in stale and not self.comes_back(*key)}
            want = {key: str(v) for key, v in self.found[who].items() if not self.comes_back(*key)}
            self.assertEqual(got, want)
            self.assertGreater(len(got), 2200)

    def test_dump_has_what_promtool_shows(self):
        """Which begins the log behind the newest block, also if that is one of late samples, leaves out first histograms, and of a series of
        both floats and histograms what follows the first change."""
        for who, data in self.data.items():
            in_order_end = max(m["maxTime"] for m in self.metas(data) if "hints" not in m["compaction"])
            end = max(m["maxTime"] for m in self.metas(data))
            for flags in ([], ['--match={__name__=~"h_.*"}', "--match=mixed"], [f"--min-time={in_order_end - 7000000}", f"--max-time={end - 1}"]):
                want = run(self.promtool, "tsdb", "dump", *flags, data)
                got = tool("tsdb", "dump", *flags, data)
                self.assertEqual((want.returncode, got.returncode), (0, 0), want.stderr + got.stderr)
                want = [line for line in want.stdout.splitlines() if not self.comes_back(*self.parse(line)[0])]
                got = got.stdout.splitlines()
                self.assertGreater(len(want), 500)
                self.assertEqual([line for line in got if line in set(want)], want)
                for (labels, t), v in map(self.parse, set(got).difference(want)):
                    self.assertTrue(isinstance(v, tuple) or in_order_end <= t < end or '"mixed"' in labels, (labels, t, v))

    def test_openmetrics_has_the_floats(self):
        for data in self.data.values():
            floats = [self.parse(line) for line in without_histograms(tool("tsdb", "dump", data).stdout)]
            got = tool("tsdb", "dump-openmetrics", data).stdout.splitlines()
            self.assertEqual(got.pop(), "# EOF")
            self.assertEqual([line.rsplit(" ", 1)[1] for line in got], [f"{t / 1000:.3f}" for (_, t), _ in floats])
            self.assertEqual([str(float(line.rsplit(" ", 2)[1])) for line in got], [str(v) for _, v in floats])

    def test_list_and_analyze(self):
        for data in self.data.values():
            self.assertEqual(tool("tsdb", "list", data).stdout, run(self.promtool, "tsdb", "list", data).stdout)
            for block in sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(data, "0*", "meta.json"))):
                for flags in ([], ['--match={__name__=~"h_.*"}'], ["--match=mixed"]):
                    args = ("tsdb", "analyze", "--limit=1000", "--extended", *flags, data, block)
                    got, want = tool(*args), run(self.promtool, *args)
                    self.assertEqual(rankings(got.stdout), rankings(want.stdout))
                    self.assertEqual((got.stderr, got.returncode), ("", 0))

    def test_verify_finds_nothing(self):
        for data in self.data.values():
            checked = tool("tsdb", "verify", data)
            self.assertEqual([line for line in checked.stdout.splitlines()[:-1] if "never finished" not in line], [])
            self.assertRegex(checked.stdout, r"[1-9]\d* records")

    def test_head_chunks_hold_what_a_dump_shows(self):
        for who, data in self.data.items():
            shown = {line.split("} ", 1)[1] for line in tool("tsdb", "dump", data).stdout.splitlines()}
            told = tool("tsdb", "inspect", "chunks_head", "--samples", "--json", os.path.join(data, "chunks_head"))
            self.assertEqual((told.returncode, told.stderr), (0, ""))
            seen = collections.Counter()
            for item in map(json.loads, told.stdout.splitlines()):
                if item["kind"] == "chunk":
                    seen[item["encoding"], item["out_of_order"]] += 1
                elif item["kind"] == "sample" and not any(low * 1000 <= item["time"] <= high * 1000 for _, low, high in self.DELETED):
                    self.assertIn(f"{item.get('histogram', item.get('value'))} {item['time']}", shown)
            encodings = {encoding for encoding, _ in seen}
            self.assertLessEqual({"histogram", "float_histogram"} | ({"xor"} if who != "older" else set()), encodings, (who, seen))

    def test_records_are_shown(self):
        """Every fifth of each type; histograms as in the dump, unless they are deleted."""
        seen = collections.Counter()
        for data in self.data.values():
            shown = {line.split("} ", 1)[1] for line in tool("tsdb", "dump", data).stdout.splitlines()}
            for segment in sorted(glob.glob(os.path.join(data, "w?l", "0*"))):
                turns = collections.Counter()
                for record in map(json.loads, tool("tsdb", "inspect", "segment", "--records", "--json", segment).stdout.splitlines()):
                    if record["kind"] != "record" or (turns.update([record["type"]]) or turns[record["type"]]) % 5 != 1:
                        continue
                    told = tool("tsdb", "inspect", "record", "--json", segment, str(record["offset"]))
                    self.assertEqual((told.returncode, told.stderr), (0, ""))
                    items = [json.loads(line) for line in told.stdout.splitlines()][1:]
                    self.assertTrue(items, record)
                    seen.update(f"{record['type']}: {item['kind']}" for item in items)
                    for item in items:
                        if item["kind"] == "exemplar":
                            self.assertEqual((item["labels"], item["value"]), ({"trace_id": "t" + item["value"]}, item["value"]))
                        elif item["kind"] == "histogram" and not any(low * 1000 <= item["time"] <= high * 1000 for _, low, high in self.DELETED):
                            self.assertIn(f"{item['histogram']} {item['time']}", shown)
        self.assertEqual(set(seen), {"series: series", "samples: sample", "metadata: metadata", "exemplars: exemplar", "tombstones: tombstone",
                                     "mmap_markers: marker",
                                     *(f"{t}histogram_samples: histogram" for t in ("", "float_", "custom_", "custom_float_"))})


class Live(unittest.TestCase):
    def assert_whole(self, folder):
        """At most a write that never finished is told."""
        checked = tool("tsdb", "verify", folder)
        self.assertEqual(checked.stderr, "")
        lines = checked.stdout.splitlines()
        self.assertEqual([line for line in lines[:-1] if "never finished" not in line], [])
        self.assertRegex(lines[-1], r"[1-9]\d* records")
        shown = tool("tsdb", "inspect", "wal", os.path.join(folder, "wal"))
        self.assertRegex(shown.stdout, r"segment file=\S+/wal/\d{8} bytes=\d+ series=[1-9]")

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
            self.assertEqual(sorted(without_histograms(got.stdout)), sorted(without_histograms(want.stdout)))
