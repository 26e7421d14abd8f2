"""What clients of a Prometheus do, request by request: Grafana, the Thanos sidecar, the operator and its probes, promtool,
and a Prometheus that scrapes."""

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import api_requests
import programs
import remote

STEP = 15
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def fill(server, end):
    """An hour of counters, gauges and classic buckets, the newest at `end`, with metadata, and a dotted name."""
    times = [end - STEP * k for k in range(240, -1, -1)]
    messages = [remote.metadata(1, "http_requests_total", "Requests."), remote.metadata(2, "up", "Whether it is up.")]
    for job in ("api", "web"):
        messages.append(remote.series({"__name__": "up", "job": job}, [(t * 1000, 1) for t in times]))
        for code in ("200", "500"):
            messages.append(remote.series({"__name__": "http_requests_total", "job": job, "code": code},
                                          [(t * 1000, k * (3 if code == "200" else 1)) for k, t in enumerate(times)]))
        for le, share in (("0.1", 1), ("0.5", 2), ("1.0", 3), ("+Inf", 4)):
            messages.append(remote.series({"__name__": "latency_bucket", "job": job, "le": le}, [(t * 1000, k * share) for k, t in enumerate(times)]))
    messages.append(remote.series({"__name__": "dotted.name", "k8s.pod": "p-1"}, [(t * 1000, 7) for t in times]))
    status, text = remote.write(server, *messages)
    assert status == 204, text


class Clients(unittest.TestCase):
    flags = ("--web.enable-lifecycle",)

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ferula-clients-")
        cls.addClassCleanup(folder.cleanup)
        cls.config = os.path.join(folder.name, "prometheus.yml")
        cls.configure({"global": {"external_labels": {"prometheus": "monitoring/k8s", "prometheus_replica": "r0"}}})
        cls.server = programs.Ferula(f"--config.file={cls.config}", *cls.flags)
        cls.addClassCleanup(cls.server.__exit__)
        cls.server.start()
        cls.end = int(time.time()) // 60 * 60
        fill(cls.server, cls.end)

    @classmethod
    def configure(cls, content):
        with open(cls.config, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))

    def ask(self, path, params=(), method="GET", **more):
        """(status, headers, decoded JSON or bytes)."""
        status, headers, body = self.server.request(path, params, method, **more)
        try:
            return status, headers, json.loads(body)
        except ValueError:
            return status, headers, body

    def post(self, path, params, url=""):
        return self.ask(path + url, (), "POST", body=urllib.parse.urlencode(params, doseq=True).encode(), headers=FORM)


class Grafana(Clients):
    """CLIENTS.md section 1: G1 to G12."""

    def test_g1_save_and_test(self):
        for answer in (self.post("/api/v1/query", {"query": "1+1", "time": "4"}), self.ask("/api/v1/query", {"query": "1+1", "time": "4"})):
            self.assertEqual((answer[0], answer[2]), (200, {"status": "success", "data": {"resultType": "scalar", "result": [4, "2"]}}))

    def test_g2_flavour_by_buildinfo(self):
        status, _, answer = self.ask("/api/v1/status/buildinfo")
        self.assertEqual((status, answer["status"]), (200, "success"))
        self.assertRegex(answer["data"]["version"], r"^3\.\d+\.\d+$")
        self.assertRegex(answer["data"]["buildDate"], r"^\d{8}")
        self.assertFalse({"features", "application"} & answer["data"].keys())

    def test_g3_parameters_in_url_form_or_both(self):
        whole = {"query": "sum by (job) (rate(http_requests_total[1m0s]))", "start": self.end - 600, "end": self.end, "step": 15}
        expected = self.ask("/api/v1/query_range", whole)[2]
        self.assertEqual(len(expected["data"]["result"]), 2)
        some, rest = {k: whole[k] for k in ("query", "step")}, {k: whole[k] for k in ("start", "end")}
        self.assertEqual(self.post("/api/v1/query_range", whole)[2], expected)
        self.assertEqual(self.post("/api/v1/query_range", {}, "?" + urllib.parse.urlencode(whole))[2], expected)
        self.assertEqual(self.post("/api/v1/query_range", some, "?" + urllib.parse.urlencode(rest))[2], expected)
        headers = {"X-Grafana-Org-Id": "1", "X-Dashboard-Uid": "x", "traceparent": "00-1-1-01", "FromAlert": "true"}
        unknown = {**whole, "max_samples_processed_warning_threshold": 1, "custom": "x"}
        self.assertEqual(self.ask("/api/v1/query_range", unknown, headers=headers)[2], expected)

    def test_g4_what_the_parser_demands(self):
        _, _, body = self.server.request("/api/v1/query_range", {"query": "up", "start": f"{self.end - 60}.125", "end": self.end, "step": "15"})
        self.assertLess(body.index(b'"resultType"'), body.index(b'"result":'))
        series = json.loads(body)["data"]["result"]
        self.assertEqual(len(series), 2)
        for one in series:
            self.assertEqual(len(one["values"]), 4)
            for k, point in enumerate(one["values"]):
                self.assertEqual((len(point), point[0], point[1]), (2, self.end - 60 + 0.125 + 15 * k, "1"))
        for query, kind in (("1", "scalar"), ('"a"', "string"), ("up", "vector"), ("up[1m]", "matrix")):
            self.assertEqual(self.server.api("query", query=query)["resultType"], kind)
        answer = self.ask("/api/v1/query", {"query": "up", "stats": "all", "time": self.end})[2]
        self.assertEqual(answer["data"]["stats"]["samples"]["totalQueryableSamples"], 2)
        values = [self.server.api("query", query=q)["result"][1] for q in ("0/0", "1/0", "-1/0")]
        self.assertEqual(values, ["NaN", "+Inf", "-Inf"])

    def test_g5_errors_have_no_data(self):
        for query, status, kind in (("up{", 400, "bad_data"), ('label_replace(up, "a b\xff", "", "", "")', 400, "bad_data"),
                                    ("up + on() up", 422, "execution")):
            got, headers, answer = self.ask("/api/v1/query", {"query": query, "time": self.end})
            if got == 200:  # not an error of the language
                continue
            self.assertEqual((got, headers["Content-Type"], answer["status"], answer["errorType"]), (status, "application/json", "error", kind))
            self.assertEqual(answer.keys(), {"status", "errorType", "error"})
        got, _, answer = self.ask("/api/v1/query", {"query": "up", "timeout": "0s"})
        self.assertEqual((got, answer["errorType"]), (503, "timeout"))

    def test_g6_the_editor(self):
        window = {"start": self.end - 3600, "end": self.end}
        names = self.server.api("label/__name__/values", limit=40000, **window)
        self.assertEqual([n for n in names if n != "recorded"], ["dotted.name", "http_requests_total", "latency_bucket", "up"])
        self.assertEqual(self.post("/api/v1/labels", {**window, "match[]": "up"})[2]["data"], ["__name__", "job"])
        self.assertEqual(self.server.api("label/code/values", **{"match[]": '{__name__="http_requests_total",job=~"a.+"}'}), ["200", "500"])
        self.assertEqual(len(self.post("/api/v1/series", {**window, "match[]": '{__name__!=""}', "limit": 5})[2]["data"]), 5)
        self.assertEqual(self.ask("/api/v1/series", {**window, "match[]": '{__name__!=""}', "limit": 5})[2]["warnings"], ["results truncated due to limit"])
        self.assertEqual(self.server.api("metadata", limit=40000)["up"], [{"type": "gauge", "unit": "", "help": "Whether it is up."}])
        self.assertEqual(self.server.api("metadata", metric="http_requests_total").keys(), {"http_requests_total"})

    def test_g7_exemplars_answer_to_milliseconds(self):
        probe = {"query": "test", "start": self.end * 1000, "end": self.end * 1000 + 1}
        for status, _, answer in (self.post("/api/v1/query_exemplars", probe), self.ask("/api/v1/query_exemplars", probe)):
            self.assertEqual((status, answer), (200, {"status": "success", "data": []}))

    def test_g8_rules_and_alerts(self):
        both = [("type", "alert"), ("file", "f"), ("file[]", "f"), ("rule_group", "g"), ("rule_group[]", "g"), ("rule_name[]", "n"), ("exclude_alerts", "true"),
                ("group_limit", "10"), ("match[]", '{a="b"}')]
        self.assertEqual(self.ask("/api/v1/rules", both)[2], {"status": "success", "data": {"groups": []}})
        self.assertEqual(self.ask("/api/v1/alerts")[2], {"status": "success", "data": {"alerts": []}})

    def test_g9_classic_heatmaps(self):
        query = "sum by (le) (increase(latency_bucket[1m]))"
        found = self.server.range(query, self.end - 60, self.end, 60)
        self.assertEqual(sorted(s["metric"]["le"] for s in found), ["+Inf", "0.1", "0.5", "1.0"])

    def test_g10_gzip_or_nothing(self):
        for accept, encoding in (("gzip, deflate, br, zstd", "gzip"), ("br, zstd", None), ("deflate", None), ("zstd", None)):
            for path in ("/api/v1/labels", "/api/v1/query?query=up", "/api/v1/query?query=up{", "/metrics"):
                headers = self.server.request(path, headers={"Accept-Encoding": accept})[1]
                self.assertEqual((headers["Content-Encoding"], "Accept-Encoding" in headers.get_all("Vary")), (encoding, True), path)

    def test_g11_escaped_label_names(self):
        self.assertEqual(self.server.api("label/U__k8s_2e_pod/values"), ["p-1"])
        self.assertEqual(self.server.api("label/k8s.pod/values"), ["p-1"])
        self.assertEqual(self.server.instant('{"dotted.name", "k8s.pod"="p-1"}', time=self.end)[0]["value"][1], "7")

    def test_g12_recording_rules_write(self):
        labels = [("__name__", "recorded"), ("zone", "b"), ("alpha", "a")]  # a map's order
        self.assertEqual(remote.write(self.server, remote.series(labels, [(self.end * 1000, 1)]))[0], 204)
        status, text = remote.write(self.server, remote.series(labels, [(self.end * 1000, 2)]))
        self.assertEqual(status, 400)
        self.assertIn("duplicate sample for timestamp", text if isinstance(text, str) else text.decode())

    def test_drilldown_asks_by_url_with_an_empty_body(self):
        query = 'group by (__name__) ({__name__!=""}) unless (group by (__name__) ({__name__!=""} offset 7d))'
        url = "?" + urllib.parse.urlencode({"query": query, "time": self.end})
        answer = self.post("/api/v1/query", {}, url)[2]
        self.assertIn("up", [s["metric"]["__name__"] for s in answer["data"]["result"]])

    def test_compound_durations_and_negative_offsets(self):
        for query in ("rate(http_requests_total[1m0s])", "rate(http_requests_total[1h0m0s])", "sum_over_time(up[10m:])", "up offset -1m", "max_over_time(up[2m15s])"):
            self.assertEqual(self.ask("/api/v1/query", {"query": query, "time": self.end - 120})[2]["status"], "success", query)


class Thanos(Clients):
    """CLIENTS.md section 3: T1 to T5, T7 and T8; T6 is shown by the tests of blocks."""

    def test_t1_metrics_in_classic_text(self):
        status, headers, page = self.server.request("/metrics")
        self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, "text/plain"))
        text = page.decode()
        self.assertIn("# TYPE prometheus_tsdb_lowest_timestamp_seconds gauge\n", text)
        lowest = float(re.search(r"^prometheus_tsdb_lowest_timestamp_seconds (\S+)$", text, re.M)[1])
        self.assertEqual(lowest, self.end - 3600)
        line = re.compile(r"(# (HELP|TYPE) .*|[a-zA-Z_:][\w:]*(\{([a-z_]\w*=\"([^\"\\]|\\.)*\",?)*\})? (NaN|[-+]Inf|[-+0-9.e]+))$")
        for one in text.splitlines():
            self.assertRegex(one, line)

    def test_t1_an_empty_database_has_no_lower_bound(self):
        with programs.Ferula() as empty:
            page = empty.request("/metrics")[2].decode()
            self.assertIn("\nprometheus_tsdb_lowest_timestamp_seconds 9.223372036854776e+15\n", page)

    def test_t2_external_labels(self):
        yaml = self.server.api("status/config")["yaml"]
        self.assertRegex(yaml, r"^global:\n(  .*\n)*  external_labels:\n    prometheus: \"?monitoring/k8s\"?\n    prometheus_replica: \"?r0\"?\n")

    def test_t3_flags_are_strings(self):
        flags = self.server.api("status/flags")
        self.assertEqual({type(v) for v in flags.values()}, {str})
        wanted = {"storage.tsdb.min-block-duration": "2h", "storage.tsdb.max-block-duration": "1d12h", "web.enable-admin-api": "false",
                  "web.enable-lifecycle": "true", "storage.tsdb.delay-compact-file.path": "", "storage.tsdb.path": self.server.data}
        self.assertEqual({k: flags[k] for k in wanted}, wanted)
        self.assertTrue(os.path.isdir(os.path.join(flags["storage.tsdb.path"], "wal")))

    def test_t4_version_is_semver(self):
        version = self.server.api("status/buildinfo")["version"]
        self.assertGreaterEqual(tuple(map(int, re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version).groups())), (2, 24, 0))

    def test_t5_streamed_reads(self):
        """The sidecar's content type is not that of others; test_remote_read.py compares the frames with Prometheus'."""
        matcher = remote.field(3, remote.varint(1 << 3) + remote.varint(0) + remote.field(2, b"__name__") + remote.field(3, b"up"))
        query = remote.varint(1 << 3) + remote.varint((self.end - 60) * 1000) + remote.varint(2 << 3) + remote.varint(self.end * 1000) + matcher
        request = remote.field(1, query) + remote.varint(2 << 3) + remote.varint(1) + remote.varint(2 << 3) + remote.varint(0)
        status, headers, body = self.server.request("/api/v1/read", method="POST", body=remote.snappy(request), headers={
            "Content-Encoding": "snappy", "Content-Type": "application/x-stream-protobuf", "X-Prometheus-Remote-Read-Version": "0.1.0"})
        self.assertEqual((status, headers["Content-Type"], headers["Content-Encoding"]),
                         (200, "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", None))
        self.assertEqual(body.count(b"monitoring/k8s"), 2)  # one frame a series, each with the external labels

    def test_t7_delayed_compaction_is_a_flag(self):
        with programs.Ferula("--storage.tsdb.delay-compact-file.path=/x/thanos.shipper.json", "--no-storage.tsdb.allow-overlapping-compaction") as server:
            self.assertEqual(server.api("status/flags")["storage.tsdb.delay-compact-file.path"], "/x/thanos.shipper.json")

    def test_t8_extreme_times_are_clamped(self):
        for start, end in (("-62167219200", "9223372036854775.807"), ("-9223372036854775.808", "9223372036854775.807"), ("-9.2e15", "9.2e15")):
            window = {"start": start, "end": end, "match[]": '{__name__="up"}'}
            self.assertEqual(self.server.api("labels", **window), ["__name__", "job"])
            self.assertEqual(self.server.api("label/job/values", **window), ["api", "web"])
            self.assertEqual(len(self.server.api("series", **window)), 2)
        self.assertEqual(self.server.api("labels", start="9e15", end="9.2e15"), [])

    def test_the_rest_of_the_sidecar_calls(self):
        self.assertEqual(self.server.api("rules", type="alert"), {"groups": []})
        self.assertEqual(self.server.api("targets", state="active")["activeTargets"], [])
        self.assertEqual(self.server.api("metadata", metric="up", limit=0).keys(), {"up"})
        stats = self.server.api("status/tsdb", limit=3)
        self.assertEqual({type(v) for v in stats["headStats"].values()}, {int})
        self.assertTrue(all(len(v) == 3 for k, v in stats.items() if k in ("seriesCountByMetricName", "seriesCountByLabelValuePair")))


class Operator(Clients):
    """CLIENTS.md section 4: O1 to O5."""

    def test_o1_flags_of_operator_and_charts(self):
        flags = ["--web.console.templates=/etc/prometheus/consoles", "--web.console.libraries=/etc/prometheus/console_libraries", "--web.enable-lifecycle",
                 "--web.route-prefix=/", "--web.external-url=http://prometheus-k8s.monitoring:9090", "--web.page-title=x", "--web.max-connections=256",
                 "--storage.tsdb.retention.time=15d", "--storage.tsdb.retention.size", "10GB", "--no-storage.tsdb.wal-compression",
                 "--enable-feature=exemplar-storage,unknown-feature", "--query.timeout=1m", "--query.max-samples=1000000", "--query.lookback-delta", "3m",
                 "--rules.alert.for-outage-tolerance=1h", "--log.level=info", "--log.format=logfmt", "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=2h"]
        with programs.Ferula(*flags) as server:
            shown = server.api("status/flags")
            self.assertEqual((shown["query.lookback-delta"], shown["storage.tsdb.retention.size"], shown["storage.tsdb.max-block-duration"]), ("3m", "10GB", "2h"))

    def test_o2_probes(self):
        for path in ("/-/healthy", "/-/ready"):
            for method in ("GET", "HEAD"):
                status, _, body = self.server.request(path, method=method, headers={"User-Agent": "kube-probe/1.30"})
                self.assertEqual((status, body == b""), (200, method == "HEAD"))

    def listens(self, server):
        try:
            return server.request("/-/healthy")[0] == 200
        except OSError:
            return False

    def test_o2_probes_while_the_log_is_read(self):
        with tempfile.TemporaryDirectory(prefix="ferula-clients-") as folder:
            checkpoint = os.path.join(folder, "wal", "checkpoint.00000000")
            os.makedirs(checkpoint)
            log = os.path.join(checkpoint, "00000000")
            os.mkfifo(log)  # opening it waits until we open it too
            server = programs.Ferula(data=folder)
            self.addCleanup(server.__exit__)
            ready = threading.Thread(target=server.start)
            ready.start()
            deadline = time.monotonic() + 20
            while server.process is None or not self.listens(server):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            for path, status, stopping in (("/-/healthy", 200, None), ("/-/ready", 503, "false"), ("/api/v1/query?query=1", 503, "false"), ("/api/v1/labels", 503, "false"),
                                           ("/federate", 503, "false"), ("/metrics", 200, None), ("/api/v1/status/walreplay", 200, None), ("/api/v1/notifications", 200, None)):
                for method in ("GET", "HEAD") if path.startswith("/-/") else ("GET",):
                    answer = server.request(path, method=method)
                    self.assertEqual((answer[0], answer[1]["X-Prometheus-Stopping"]), (status, stopping), (method, path))
            self.assertEqual(remote.write(server, remote.series({"__name__": "early"}, [(self.end * 1000, 1)]))[0], 503)
            self.assertRegex(server.api("notifications")[0]["text"], "replaying the write-ahead log")
            self.assertIn("\nprometheus_ready 0\n", server.request("/metrics")[2].decode())
            os.close(os.open(log, os.O_WRONLY))
            ready.join()
            self.assertEqual([server.request("/-/ready", method=m)[0] for m in ("GET", "HEAD")], [200, 200])
            self.assertEqual(server.api("notifications"), [])
            self.assertIn("\nprometheus_ready 1\n", server.request("/metrics")[2].decode())
            server.stop()

    def test_o3_reload_answers_when_it_is_live(self):
        for zone in ("a", "b"):
            self.configure({"global": {"external_labels": {"prometheus": zone}}})
            self.assertEqual(self.server.request("/-/reload", method="POST")[0], 200)
            self.assertRegex(self.server.api("status/config")["yaml"], f'prometheus: "?{zone}"?\n')
        self.configure("global: [")
        self.assertEqual(self.server.request("/-/reload", method="POST")[0], 500)
        self.assertRegex(self.server.api("status/config")["yaml"], 'prometheus: "?b"?\n')
        self.assertEqual(self.server.request("/-/reload")[0], 405)

    def test_o4_sigterm_is_a_clean_stop(self):
        with tempfile.TemporaryDirectory(prefix="ferula-clients-") as folder:
            server = programs.Ferula(data=os.path.join(folder, "data"))
            server.start()
            self.assertEqual(remote.write(server, remote.series({"__name__": "kept"}, [(self.end * 1000, 1)]))[0], 204)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(os.listdir(folder), ["data"])  # nothing is written outside
            server.start()
            self.assertEqual(server.instant("kept", time=self.end)[0]["value"][1], "1")
            server.stop()

    def test_o5_reload_by_signal_shows_in_runtimeinfo(self):
        before = self.server.api("status/runtimeinfo")["lastConfigTime"]
        for content, good in (("global: [", False), ("{}", True)):
            self.configure(content)
            self.server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                info = self.server.api("status/runtimeinfo")
                if info["reloadConfigSuccess"] == good and (info["lastConfigTime"] > before) == good:
                    break
                time.sleep(0.02)
            self.assertEqual((info["reloadConfigSuccess"], info["lastConfigTime"] > before), (good, good))


class Promtool(Clients):
    def promtool(self, *args, page=None):
        ran = subprocess.run([programs.peer("sid/promtool"), *args], input=page, capture_output=True, check=False, timeout=30)
        return ran.returncode, ran.stdout.decode(), ran.stderr.decode()

    def test_check_healthy_and_ready(self):
        for check in ("healthy", "ready"):
            code, out, err = self.promtool("check", check, f"--url={self.server.url}")
            self.assertEqual(code, 0, out + err)

    def test_queries(self):
        end, start = str(self.end), str(self.end - 60)
        url = self.server.url
        for args, expected in ((("instant", f"--time={end}", url, "sum(up)"), f"{{}} => 2 @[{end}]"), (("range", f"--start={start}", f"--end={end}", "--step=60s", url, "sum(up)"), f"2 @[{end}]"),
                               (("series", "--match=up", f"--start={start}", f"--end={end}", url), '{__name__="up", job="web"}'), (("labels", url, "job"), "web"),
                               (("labels", f"--start={start}", f"--end={end}", "--match=up", url, "job"), "api")):
            code, out, err = self.promtool("query", *args)
            self.assertEqual(code, 0, out + err)
            self.assertIn(expected, out)
        code, out, err = self.promtool("query", "analyze", f"--server={url}", "--type=histogram", "--match=nothing", f"--time={end}", "--duration=1h")
        self.assertNotIn("404", out + err)

    def test_metrics_are_clean(self):
        page = self.server.request("/metrics")[2]
        code, out, err = self.promtool("check", "metrics", page=page)
        self.assertEqual((code, err), (0, ""), out)

    def test_names_that_dashboards_ask_for(self):
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.server.request("/metrics")[2].decode(), re.M))
        helps = dict(re.findall(r"^# HELP (\S+) (.+)$", self.server.request("/metrics")[2].decode(), re.M))
        self.assertEqual(types.keys(), helps.keys())
        gauges = "build_info config_last_reload_successful config_last_reload_success_timestamp_seconds engine_queries engine_queries_concurrent_max tsdb_head_series " \
            "tsdb_head_chunks tsdb_blocks_loaded tsdb_clean_start tsdb_data_replay_duration_seconds tsdb_wal_segment_current tsdb_lowest_timestamp_seconds"
        counters = "target_scrape_pool_exceeded_target_limit_total target_scrape_pool_exceeded_label_limits_total target_scrapes_exceeded_body_size_limit_total " \
            "target_scrapes_exceeded_sample_limit_total target_scrapes_sample_duplicate_timestamp_total target_scrapes_sample_out_of_bounds_total " \
            "target_scrapes_sample_out_of_order_total template_text_expansion_failures_total tsdb_head_samples_appended_total tsdb_head_series_created_total " \
            "tsdb_head_series_removed_total tsdb_head_truncations_failed_total tsdb_compactions_total tsdb_compactions_failed_total tsdb_compactions_skipped_total " \
            "tsdb_compactions_triggered_total tsdb_checkpoint_creations_failed_total tsdb_checkpoint_deletions_failed_total tsdb_reloads_failures_total " \
            "tsdb_wal_corruptions_total tsdb_wal_truncations_failed_total sd_kubernetes_failures_total"
        gauges += " notifications_alertmanagers_discovered notifications_queue_length notifications_queue_capacity rule_group_interval_seconds rule_group_last_duration_seconds " \
            "rule_group_last_evaluation_timestamp_seconds rule_group_rules sd_discovered_targets target_metadata_cache_entries wal_watcher_current_segment " \
            "remote_storage_samples_pending remote_storage_highest_timestamp_in_seconds remote_storage_queue_highest_timestamp_seconds " \
            "remote_storage_queue_highest_sent_timestamp_seconds remote_storage_shards remote_storage_shards_desired remote_storage_shards_max " \
            "remote_storage_shards_min remote_storage_shard_capacity"
        counters += " notifications_errors_total notifications_sent_total notifications_dropped_total rule_evaluation_failures_total rule_evaluations_total " \
            "rule_group_iterations_missed_total sd_refresh_failures_total target_sync_failed_total remote_storage_samples_total remote_storage_samples_failed_total " \
            "remote_storage_samples_dropped_total remote_storage_samples_retried_total remote_storage_samples_in_total remote_storage_enqueue_retries_total " \
            "remote_storage_bytes_total remote_storage_metadata_bytes_total"
        wanted = {"prometheus_" + n: "gauge" for n in gauges.split()} | {"prometheus_" + n: "counter" for n in counters.split()}
        wanted |= {"process_start_time_seconds": "gauge", "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge", "process_open_fds": "gauge",
                   "process_max_fds": "gauge", "prometheus_engine_query_duration_seconds": "summary", "prometheus_tsdb_compaction_duration_seconds": "histogram",
                   "prometheus_remote_storage_sent_batch_duration_seconds": "histogram", "prometheus_target_interval_length_seconds": "summary",
                   "prometheus_target_sync_length_seconds": "summary"}
        self.assertEqual({name: types.get(name) for name in wanted}, wanted)
        self.server.instant("up", time=self.end)
        page = self.server.request("/metrics")[2].decode()
        quantiles = re.findall(r'^prometheus_engine_query_duration_seconds\{slice="inner_eval",quantile="([\d.]+)"\} (\S+)$', page, re.M)
        self.assertEqual([q for q, _ in quantiles], ["0.5", "0.9", "0.99"])
        self.assertTrue(all(0 < float(v) < 10 for _, v in quantiles))

    def test_types_and_helps_are_prometheus_own(self):
        with programs.Prometheus(suite="sid") as prometheus:
            theirs = prometheus.request("/metrics")[2].decode()
        ours = self.server.request("/metrics")[2].decode()
        for kind in ("TYPE", "HELP"):
            a, b = (dict(re.findall(rf"^# {kind} (\S+) (.+)$", page, re.M)) for page in (theirs, ours))
            own = {"prometheus_build_info", "prometheus_ready", "prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds"}  # helps tell of Go, of themselves
            common = a.keys() & b.keys() - own
            self.assertGreaterEqual(len(common), 80)
            self.assertEqual({n: b[n] for n in common}, {n: a[n] for n in common})


class NewerEndpoints(Clients):
    """Of Prometheus 3.6 to 3.14, which cannot be compared with 3.5."""

    def test_blocks(self):
        self.assertEqual(self.server.api("status/tsdb/blocks"), {"blocks": []})
        golden = os.path.join(programs.ROOT, "testdata", "histograms", "prometheus-3.5")  # one: nothing to merge
        with tempfile.TemporaryDirectory(prefix="ferula-clients-") as folder:
            metas = []
            for name in sorted(os.listdir(golden)):
                if os.path.isdir(os.path.join(golden, name)):
                    subprocess.run(["cp", "-r", os.path.join(golden, name), folder], check=True)
                    with open(os.path.join(golden, name, "meta.json"), encoding="utf-8") as file:
                        metas.append(json.load(file))
            with programs.Ferula(data=folder) as server:
                self.assertEqual(server.api("status/tsdb/blocks"), {"blocks": metas})

    def test_self_metrics(self):
        found = self.server.api("status/self_metrics", metric_name_pattern="prometheus_tsdb_head_s.+|prometheus_build_info")
        self.assertEqual([f["name"] for f in found], sorted(f["name"] for f in found))
        series = [f for f in found if f["name"] == "prometheus_tsdb_head_series"][0]
        self.assertEqual((series["type"], series["metric"][0]["gauge"]["value"] > 0), ("GAUGE", True))
        self.assertEqual(self.ask("/api/v1/status/self_metrics", {"metric_name_pattern": "("})[0], 400)
        names = set(re.findall(r"^# TYPE (\S+)", self.server.request("/metrics")[2].decode(), re.M))
        self.assertEqual({f["name"] for f in self.server.api("status/self_metrics")}, names)

    def search(self, server, what, **params):
        """(results, trailer) of a search; the lines are joined."""
        status, headers, body = server.request("/api/v1/search/" + what, [(k.replace("_s", "[]") if k in ("search_s", "match_s") else k, v) for k, v in params.items()])
        self.assertEqual((status, headers["Content-Type"]), (200, "application/x-ndjson; charset=utf-8"), body)
        lines = [json.loads(line) for line in body.splitlines()]
        return [result for line in lines[:-1] for result in line["results"]], lines[-1]

    def test_search(self):
        self.assertEqual(self.ask("/api/v1/search/metric_names")[0], 500)  # off by default
        with programs.Ferula("--enable-feature=search-api", "--web.search.max-limit=50") as server:
            fill(server, self.end)
            done = {"status": "success", "has_more": False}
            names = ["dotted.name", "http_requests_total", "latency_bucket", "up"]
            self.assertEqual(self.search(server, "metric_names"), ([{"name": n} for n in names], done))
            self.assertEqual(self.search(server, "metric_names", sort_by="alpha", sort_dir="dsc", limit=1), ([{"name": "up"}], {"status": "success", "has_more": True}))
            found, _ = self.search(server, "metric_names", search_s="tt", include_score="true", include_metadata="true", batch_size=1)
            self.assertEqual([(f["name"], f["type"], f["help"]) for f in found if "type" in f], [("http_requests_total", "counter", "Requests.")])
            self.assertTrue(all(0 < f["score"] < 1 for f in found))
            found, _ = self.search(server, "metric_names", search_s="UP", case_sensitive="false", sort_by="score", include_score="1")
            self.assertEqual(found[0], {"name": "up", "score": 1})
            self.assertEqual(self.search(server, "label_names", match_s="up"), ([{"name": "__name__"}, {"name": "job"}], done))
            self.assertEqual(self.search(server, "label_values", label="job", search_s="we"), ([{"value": "web"}], done))
            self.assertEqual(self.search(server, "label_values", label="job", search_s="wed", fuzz_alg="jarowinkler", fuzz_threshold=80), ([{"value": "web"}], done))
            self.assertEqual(self.search(server, "label_values", label="nope"), ([], done))
            for params, text in (({"limit": "0"}, 'invalid limit "0": must be a positive integer'), ({"limit": "51"}, "exceeds the configured maximum (50"), ({"sort_by": "x"}, "invalid sort_by"),
                                 ({"sort_by": "score"}, "requires search[]"), ({"sort_dir": "asc"}, "only valid when sort_by"), ({"fuzz_threshold": "101"}, "must be 0-100"),
                                 ({"case_sensitive": "x"}, "must be boolean"), ({"start": "2", "end": "1"}, "end timestamp must not be before"), ({"match[]": "{"}, "parse error")):
                status, _, answer = server.request("/api/v1/search/metric_names", params)
                self.assertEqual((status, text in json.loads(answer)["error"]), (400, True), answer)
            self.assertIn(b'missing required parameter', server.request("/api/v1/search/label_values")[2])

    def test_pools_of_scraping_that_are_not_there(self):
        missing, unknown = "no {} parameter provided", 'error retrieving scrape config: scrape pool "a\\"b" not found'
        for path, params, text in (("scrape_pools/config", {}, missing.format("scrapePool")), ("scrape_pools/config", {"scrapePool": 'a"b'}, unknown),
                                   ("targets/relabel_steps", {"labels": "{}"}, missing.format("scrapePool")),
                                   ("targets/relabel_steps", {"scrapePool": "a"}, missing.format("labels")),
                                   ("targets/relabel_steps", {"scrapePool": 'a"b', "labels": "{}"}, unknown)):
            status, _, answer = self.ask("/api/v1/" + path, params)
            self.assertEqual((status, answer), (400, {"status": "error", "errorType": "bad_data", "error": text}))

    def test_the_limit_of_cardinality(self):
        for limit, text in (("10001", "limit must not exceed 10000"), ("9223372036854775807", "limit must not exceed 10000"), ("0", "limit must be a positive number"),
                            ("9223372036854775808", "limit must be a positive number")):
            status, _, answer = self.ask("/api/v1/status/tsdb", {"limit": limit})
            self.assertEqual((status, answer["error"]), (400, text))
        self.assertEqual(self.ask("/api/v1/status/tsdb", {"limit": 10000})[0], 200)

    def test_openapi_tells_of_what_is_served(self):
        status, headers, page = self.server.request("/api/v1/openapi.yaml")
        self.assertEqual((status, headers["Content-Type"]), (200, "application/yaml; charset=utf-8"))
        text = page.decode()
        self.assertTrue(text.startswith("openapi: 3.1.0\n"))
        self.assertTrue(self.server.request("/api/v1/openapi.yaml?openapi_version=3.2")[2].startswith(b"openapi: 3.2.0\n"))
        told = {(path, method.upper()) for path, methods in re.findall(r"^  (/\S+):\n((?:    .*\n)+)", text, re.M) for method in re.findall(r"^    (\w+):$", methods, re.M)}
        served = set()
        for path in {path for path, _ in told} | {"/" + endpoint for endpoint in api_requests.ENDPOINTS if "label/" not in endpoint}:
            allowed = self.server.request("/api/v1" + path.replace("{name}", "job"), method="TRACE")[1]["Allow"]
            served |= {(path, method) for method in allowed.split(", ") if method not in ("OPTIONS", "DELETE")}
        self.assertEqual(told, served)

    def test_features(self):
        features = self.server.api("features")
        self.assertTrue(all(type(on) is bool for names in features.values() for on in names.values()))
        self.assertEqual((features["api"]["lifecycle"], features["api"]["admin"], features["promql_functions"]["rate"], features["promql_operators"]["=~"]),
                         (True, False, True, True))
        self.assertFalse(features["promql_functions"]["sort_by_label"])


class Scraper(Clients):
    PROTOCOLS = ["PrometheusText0.0.4", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0", "PrometheusProto"]

    def test_a_prometheus_scrapes_metrics(self):
        """In each format that it knows: the same series with the same values."""
        config = json.dumps({"scrape_configs": [
            {"job_name": p, "scrape_interval": "1s", "scrape_timeout": "1s", "scrape_protocols": [p],
             "static_configs": [{"targets": [f"127.0.0.1:{self.server.port}"]}]} for p in self.PROTOCOLS]})
        with programs.Prometheus(config, suite="sid") as scraper:
            deadline = time.monotonic() + 30
            while len(scraper.instant("prometheus_tsdb_head_series")) < len(self.PROTOCOLS) and time.monotonic() < deadline:
                time.sleep(0.2)
            self.assertEqual([r["value"][1] for r in scraper.instant("up")], ["1"] * len(self.PROTOCOLS))
            lines = sum(not line.startswith(b"#") for line in self.server.request("/metrics")[2].splitlines())
            for p in self.PROTOCOLS:
                scraped = float(scraper.instant(f"count({{job='{p}'}})")[0]["value"][1])
                self.assertLess(abs(scraped - lines), 60, p)  # the scrape's own, and codes not seen before
            self.assertEqual({m["type"] for m in scraper.api("targets/metadata", metric="prometheus_tsdb_head_series")}, {"gauge"})
            for steady in ('{__name__=~"prometheus_(tsdb_head_(series|chunks|samples_appended_total)|build_info|engine_queries_concurrent_max)|process_start_time_seconds"}',
                           'prometheus_tsdb_compaction_duration_seconds_bucket', '{__name__=~"prometheus_tsdb_compaction_duration_seconds_(sum|count)"}'):
                values = {}
                for r in scraper.instant(steady):
                    metric = dict(r["metric"])
                    values.setdefault(metric.pop("job"), {})[json.dumps(metric, sort_keys=True)] = r["value"][1]
                self.assertEqual(sorted(values), sorted(self.PROTOCOLS))
                for p in self.PROTOCOLS:
                    self.assertEqual(values[p], values[self.PROTOCOLS[0]], (p, steady))


del Clients  # has no cases of its own

if __name__ == "__main__":
    unittest.main()
