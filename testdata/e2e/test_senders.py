"""Real senders, all at once, each through a proxy of its own into one Ferula: Prometheus 3.5 by remote write 1.0 and 2.0, 2.42,
vmagent, and the OpenTelemetry SDK for JavaScript as protobuf and as JSON. Meanwhile there are bursts of answers 503, some of
which hide that the request was stored, some Ferula's own since its disk takes no byte, and of connections cut before the answer;
Ferula is killed with -9, or stopped, and started again. Afterwards each sender's own source and Ferula have the same samples,
exemplars and metadata, none lost, none doubled.

FERULA_SENDERS=long, or a number of seconds: all of that again and again for three minutes, or so long, instead of once; what
was seen goes to standard error.
"""

import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import programs
import proxy
import targets

FORM = os.environ.get("FERULA_SENDERS", "")
RUN_S = 180 if FORM == "long" else float(FORM or 0)
PACE_S = 1.5 if RUN_S else 1  # of each kind of trouble
RW2 = "io.prometheus.write.v2.Request"
RETRY = {"batch_send_deadline": "300ms", "max_backoff": "200ms", "min_backoff": "30ms"}
PROTOBUF = "application/x-protobuf"
APP = {"app_requests_total": ("counter", "{request}", "Requests."), "app_active": ("gauge", "", ""), "app_load_ratio": ("gauge", "1", ""),
       "app_duration_seconds": ("histogram", "s", ""), "app_size_bytes": ("histogram", "By", "")}


def by_labels(result, sender=None):
    """{labels as JSON: ([t, v]..., [t, histogram]...)}; the label that tells the sender apart is left out."""
    ret = {}
    for s in result:
        labels = {k: v for k, v in s["metric"].items() if k != "sender"}
        ret[json.dumps(labels, sort_keys=True)] = (s.get("values", []), s.get("histograms", []))
    return ret


def exemplars(result):
    """{labels as JSON: exemplars}; the label that tells the sender apart is left out."""
    return {json.dumps({k: v for k, v in s["seriesLabels"].items() if k != "sender"}, sort_keys=True): s["exemplars"] for s in result}


def told(text):
    """Beside the result, of a long run."""
    if RUN_S:
        print(f"# {text}", file=sys.stderr)


class PrometheusSender:
    """A Prometheus that scrapes a target and itself. 2.42 hands out histograms mixed up: once it has ended, 3.5 serves its directory."""

    def __init__(self, name, suite, target, url, **remote_write):
        self.name, self.suite, self.target = name, suite, target
        self.url, self.remote_write = url, remote_write

    def config(self, scraping):
        jobs = [{"job_name": "native", "static_configs": [{"targets": [self.target.address]}]},
                {"job_name": "classic", "metrics_path": "/classic", "static_configs": [{"targets": [self.target.address]}]},
                {"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}]
        if self.suite == "sid":
            jobs[1]["convert_classic_histograms_to_nhcb"] = self.remote_write.get("protobuf_message") == RW2
        return json.dumps({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "external_labels": {"sender": self.name}},
            "remote_write": [{"url": self.url + "/api/v1/write", "send_native_histograms": True, "send_exemplars": True,
                              "queue_config": RETRY, "metadata_config": {"send_interval": "1s"}, **self.remote_write}],
            "scrape_configs": jobs if scraping else [],
        })

    def start(self):
        self.port = programs.free_port()
        features = "native-histograms,exemplar-storage" + (",metadata-wal-records" if self.suite == "sid" else "")
        self.server = programs.Prometheus(self.config(True), "--web.enable-lifecycle", f"--enable-feature={features}",
                                          suite=self.suite, port=self.port)
        self.servers = [self.server]
        self.server.start()

    def end(self):
        self.metadata = self.server.api("metadata")
        self.at = time.time()
        self.server.reload(self.config(False))

    def says(self, name):
        page = self.server.request("/metrics")[2].decode()
        return [float(v) for v in re.findall(rf"^{name}\{{.*\}} (\S+)$", page, re.MULTILINE)]

    def is_done(self):
        pending = [sum(self.says(f"prometheus_remote_storage_{what}_pending")) for what in ("samples", "histograms", "exemplars")]
        sent = self.says("prometheus_remote_storage_queue_highest_sent_timestamp_seconds")
        return sum(pending) == 0 and sent and min(sent) >= self.at - 1.5

    def note_end(self):
        """What only the sender itself can tell."""
        self.lost = {what: sum(self.says(f"prometheus_remote_storage_{what}_total"))
                     for what in ("samples_failed", "samples_dropped", "histograms_failed", "exemplars_failed", "metadata_failed")}
        self.retried = sum(self.says("prometheus_remote_storage_samples_retried_total"))
        self.exemplars = exemplars(self.server.api("query_exemplars", query='{__name__!=""}', start=0, end=self.at - 1))
        if self.suite != "sid":
            self.server.stop()
            self.servers.append(programs.Prometheus("", suite="sid", data=self.server.data))
            self.server = self.servers[-1]
            self.server.start()

    def stop(self):
        for server in reversed(self.servers):
            server.__exit__()


class Vmagent(programs.Program):
    """vmagent has no storage: its source are the pages that the target served, but for scrapes that it tells to have failed."""

    ready_path = "/health"

    def __init__(self, target, url):
        port = programs.free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="vmagent-e2e-")
        path = os.path.join(self.folder.name, "scrape.yml")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"global": {"scrape_interval": "500ms"}, "scrape_configs": [
                {"job_name": "dated", "metrics_path": "/dated", "honor_timestamps": True, "static_configs": [{"targets": [target.address]}]}]}, file)
        super().__init__([programs.peer("sid/vmagent"), f"-httpListenAddr=127.0.0.1:{port}", f"-promscrape.config={path}",
                          f"-remoteWrite.url={url}/api/v1/write", f"-remoteWrite.tmpDataPath={self.folder.name}/queue",
                          # Of several queues one may overtake another: their samples would be out of order.
                          "-remoteWrite.queues=1", "-remoteWrite.label=sender=vmagent", "-remoteWrite.retryMaxInterval=1s",
                          "-remoteWrite.retryMinInterval=100ms", "-loggerLevel=WARN"], port)

    def __exit__(self, *exc):
        super().__exit__(*exc)
        self.folder.cleanup()


class JavaScript:
    """The SDK's exporter of one format; `exports` are those it told the end of."""

    def __init__(self, form, modules, url):
        self.form, self.exports, self.modules, self.url = form, [], modules, url

    def start(self):
        here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "otel", "sender.js")
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(["node", here, self.form, f"{self.url}/api/v1/otlp/v1/metrics"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                        env={**os.environ, "NODE_PATH": self.modules})
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        self.exports.extend(json.loads(line) for line in self.process.stdout)

    def wait(self):
        self.process.terminate()
        status = self.process.wait(60)
        self.reader.join()
        self.errors.seek(0)
        if status != 0 or not self.exports:
            raise AssertionError(f"the SDK ended with {status}: {self.errors.read().decode()}")


def samples_of(form, export):
    """{(series as JSON, ms): value} that the export stands for; of native histograms (count, sum)."""
    ret = {}
    for metric in export["metrics"]:
        for p in metric["points"]:
            t, v = int(p["time"]) // 1_000_000, p["value"]
            labels = {"job": f"js-{form}", "instance": "1", **{re.sub(r"\W", "_", k, flags=re.ASCII): x for k, x in p["attributes"].items()}}

            def put(name, value, labels=labels, t=t, **more):
                ret[json.dumps({"__name__": name, **labels, **more}, sort_keys=True), t] = value

            if metric["name"] == "app.duration":
                put("app_duration_seconds_count", v["count"])
                put("app_duration_seconds_sum", v["sum"])
                total = 0
                for bound, count in zip(["0.1", "0.5", "1", "5", "+Inf"], v["buckets"]["counts"]):
                    total += count
                    put("app_duration_seconds_bucket", total, le=bound)
            elif metric["name"] == "app.size":
                put("app_size_bytes", (v["count"], v["sum"]))
            else:
                put({"app.requests": "app_requests_total", "app.active": "app_active", "app.load": "app_load_ratio"}[metric["name"]], v)
    return ret


class Senders(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.begun = time.time()
        cls.ferula = programs.Ferula("--web.enable-otlp-receiver", "--enable-feature=exemplar-storage")
        cls.addClassCleanup(cls.ferula.__exit__)
        cls.ferula.start()
        cls.target = targets.Target()
        cls.addClassCleanup(cls.target.stop)
        cls.proxies = {}
        cls.missing = {}
        modules, cls.missing["js"] = programs.npm_modules("otel")
        cls.prometheus, cls.vmagent = {}, None
        for name, suite, more in (("v1", "sid", {}), ("v2", "sid", {"protobuf_message": RW2}), ("old", "release", {})):
            cls.start(name, lambda url, name=name, suite=suite, more=more: PrometheusSender(name, suite, cls.target, url, **more))
        cls.start("vmagent", lambda url: Vmagent(cls.target, url))
        cls.js = {form: JavaScript(form, modules, cls.make_proxy(f"js-{form}").url) for form in ("proto", "http") if modules}
        for sender in cls.js.values():
            sender.start()
        cls.wait_until_all_send()
        cls.trouble()
        cls.end_senders()
        cls.tell_trouble()

    @classmethod
    def start(cls, name, make):
        """Starts a sender; where its program cannot be had, its tests are skipped."""
        try:
            sender = make(cls.make_proxy(name).url)
            sender.start()
        except unittest.SkipTest as reason:
            cls.missing[name] = str(reason)
            return
        if name == "vmagent":
            cls.vmagent = sender
        else:
            cls.prometheus[name] = sender
            cls.addClassCleanup(sender.stop)

    def need(self, name):
        if self.missing.get(name):
            self.skipTest(self.missing[name])

    def check_trouble(self, name):
        """The sender met it; all kinds where it came again and again."""
        p = self.proxies[name]
        self.assertGreater(p.statuses()[503], 0)
        if RUN_S:
            self.assertGreater(p.statuses()[None], 0)
            self.assertIn(503, {status for status, _ in p.refusals})

    @classmethod
    def make_proxy(cls, name):
        cls.proxies[name] = proxy.Proxy(cls.ferula.port)
        cls.addClassCleanup(cls.proxies[name].stop)
        return cls.proxies[name]

    @classmethod
    def wait_until_all_send(cls):
        """Some begin only after seconds."""
        deadline = time.monotonic() + 40
        while not all(p.has_passed() for name, p in cls.proxies.items() if name not in cls.missing):
            if time.monotonic() > deadline:
                raise AssertionError(f"not all senders send: { {name: p.seen for name, p in cls.proxies.items()} }")
            time.sleep(0.05)

    @classmethod
    def set_mode(cls, mode):
        for p in cls.proxies.values():
            p.mode = mode
        time.sleep(PACE_S)

    @classmethod
    def trouble(cls):
        cls.rounds = 0
        begun = time.monotonic()
        while cls.rounds == 0 or time.monotonic() - begun < RUN_S:
            for mode in ("pass", "busy", "pass", "lost", "cut", "pass"):
                cls.set_mode(mode)
            cls.ferula.fail_writes()
            time.sleep(PACE_S)
            cls.ferula.fail_writes(False)
            time.sleep(PACE_S)
            cls.restart()
            cls.rounds += 1
        time.sleep(3)
        cls.trouble_s = time.monotonic() - begun

    @classmethod
    def restart(cls):
        """By a kill -9, each third time by SIGTERM."""
        if cls.rounds % 3 == 2:
            cls.ferula.stop()
        else:
            cls.ferula.kill()
        time.sleep(PACE_S / 2)
        cls.ferula.start()

    @classmethod
    def tell_trouble(cls):
        stops = cls.rounds // 3
        told(f"{cls.trouble_s:.0f} s: {cls.rounds} times 503, 503 of what was stored, connections cut, a disk that takes no byte; "
             f"{cls.rounds - stops} kill -9, {stops} stops")
        for name, p in cls.proxies.items():
            told(f"{name}: answers {dict(sorted(p.statuses().items(), key=str))}")

    @classmethod
    def end_senders(cls):
        for sender in cls.prometheus.values():
            sender.end()
        cls.target_end_ms = int(time.time() * 1000) - 500  # a page served later may not have been taken
        if cls.vmagent:
            page = cls.vmagent.request("/metrics")[2].decode()
            cls.failed_scrapes = sum(float(v) for v in re.findall(r"^vm_promscrape_scrapes_(?:failed|timed_out)_total(?:\{.*\})? (\S+)$", page, re.MULTILINE))
            cls.vmagent.__exit__()
        for sender in cls.js.values():
            sender.wait()
        deadline = time.monotonic() + 30
        while not all(sender.is_done() for sender in cls.prometheus.values()):
            if time.monotonic() > deadline:
                raise AssertionError("a sender still has samples pending")
            time.sleep(0.1)
        for sender in cls.prometheus.values():
            sender.note_end()
        cls.end = time.time()

    def raw(self, server, selector, at):
        return server.instant(f"{selector}[{math.ceil(at - self.begun) + 10}s]", time=at)

    def check_prometheus(self, name):
        self.need(name)
        sender = self.prometheus[name]
        at = sender.at - 1
        theirs = by_labels(self.raw(sender.server, '{__name__=~".+"}', at))
        ours = by_labels(self.raw(self.ferula, f'{{sender="{name}"}}', at))
        self.assertGreater(sum(len(v) for v, _ in theirs.values()), 1000)
        self.assertGreater(sum(len(h) for _, h in theirs.values()), 10)
        self.assertEqual(theirs.keys(), ours.keys())
        for labels, samples in theirs.items():
            self.assertEqual(samples, ours[labels], labels)
        self.check_exemplars(sender)
        self.assertGreater(len(sender.metadata), 50)
        self.check_metadata(sender.metadata)
        self.check_trouble(name)
        told(f"{name}: {len(theirs)} series, {sum(len(v) for v, _ in theirs.values())} floats, {sum(len(h) for _, h in theirs.values())} histograms, "
             f"{sum(map(len, sender.exemplars.values()))} exemplars, metadata of {len(sender.metadata)} families are the same; {sender.retried:.0f} samples sent again")
        if self.only_repeated(name):
            self.assertEqual(set(sender.lost.values()), {0}, sender.lost)
        self.assertGreater(sender.retried, 0)

    def only_repeated(self, name):
        """True when Ferula took all it got. A request of several samples a series that was stored and is sent again has old ones, which are
        refused; they must be there."""
        texts = {text for status, text in self.proxies[name].refusals if status == 400}
        for text in texts:
            self.assertRegex(text, r"(?m)^out of order sample for series (.|\n)* samples not stored \(\d+ out of order\)")
        return not texts

    def check_exemplars(self, sender):
        ours = self.ferula.api("query_exemplars", query=f'{{sender="{sender.name}"}}', start=0, end=sender.at - 1)
        self.assertEqual(sender.exemplars, exemplars(ours))
        for name in ("jobs_total", "nh_int") if sender.suite == "sid" else ("jobs_total",):
            self.assertGreater(sum(len(v) for k, v in sender.exemplars.items() if json.loads(k)["__name__"] == name), 3, name)

    def check_metadata(self, metadata):
        """A family has what was told last, by whichever sender."""
        ours = self.ferula.api("metadata")
        for name, entries in metadata.items():
            told_by_all = entries + [entry for sender in self.prometheus.values() for entry in sender.metadata.get(name, [])]
            self.assertEqual(len(ours[name]), 1, name)
            self.assertIn(ours[name][0], told_by_all, name)

    def test_prometheus_3_5_by_1_0(self):
        self.check_prometheus("v1")

    def test_prometheus_3_5_by_2_0(self):
        self.check_prometheus("v2")
        self.assertEqual({kind for kind, _, _ in self.proxies["v2"].seen}, {f"{PROTOBUF};proto={RW2}"})

    def test_prometheus_2_42(self):
        self.check_prometheus("old")

    def test_vmagent(self):
        self.need("vmagent")
        found = self.raw(self.ferula, 'dated_total{sender="vmagent"}', self.end)
        self.assertEqual(len(found), targets.DATED_SERIES)
        served = self.target.dated
        for s in found:
            i = int(s["metric"]["i"])
            got = [(round(t * 1000), float(v)) for t, v in s["values"] if round(t * 1000) <= self.target_end_ms]
            missing = [t for t in served if t <= self.target_end_ms and t not in dict(got)]
            self.assertLessEqual(len(missing), self.failed_scrapes, "lost")
            self.assertEqual([(t, v * (i + 1.0)) for t, v in sorted(served.items()) if t <= self.target_end_ms and t not in missing], got)
        self.assertGreater(len(served), 8)
        self.check_metadata({"dated_total": [{"type": "counter", "help": "What was served.", "unit": ""}]})
        self.check_trouble("vmagent")
        told(f"vmagent: {len(found)} series, {sum(len(s['values']) for s in found)} floats are what was served, but for {self.failed_scrapes:.0f} failed scrapes")
        encodings = {encoding for _, encoding, status in self.proxies["vmagent"].seen if status == 204}
        self.assertEqual(encodings, {"zstd"} if self.only_repeated("vmagent") else {"zstd", "snappy"})

    def check_javascript(self, form, content_type):
        self.need("js")
        must, may = {}, {}
        for export in self.js[form].exports:
            (must if export["ok"] else may).update(samples_of(form, export))
        stored = {}
        for s in self.raw(self.ferula, f'{{job="js-{form}",__name__!="target_info"}}', self.end):
            labels = json.dumps(s["metric"], sort_keys=True)
            for t, v in s.get("values", []) + s.get("histograms", []):
                key = labels, round(t * 1000)
                self.assertNotIn(key, stored, "a sample twice")
                stored[key] = (float(v["count"]), float(v["sum"])) if isinstance(v, dict) else float(v)
        self.assertGreater(len(must), 300)
        self.assertEqual({k: v for k, v in must.items() if stored.get(k) != v}, {}, "lost or wrong")
        self.assertEqual({k: v for k, v in stored.items() if k not in must and may.get(k) != v}, {}, "never sent")
        self.assertEqual({kind for kind, _, _ in self.proxies[f"js-{form}"].seen}, {content_type})
        self.check_metadata({name: [{"type": kind, "unit": unit, "help": text}] for name, (kind, unit, text) in APP.items()})
        self.check_trouble(f"js-{form}")
        told(f"js-{form}: {len(stored)} samples are what was sent: {len(must)} of exports that ended well, "
             f"{sum(k not in must for k in stored)} of the {len(may)} of exports that the SDK gave up")

    def test_javascript_protobuf(self):
        self.check_javascript("proto", PROTOBUF)

    def test_javascript_json(self):
        self.check_javascript("http", "application/json")


if __name__ == "__main__":
    unittest.main()
