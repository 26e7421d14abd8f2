"""The HTTP API beside Prometheus 3.5: the same samples written to both, the same requests, the same
status, headers and bodies."""

import json
import time
import unittest
import urllib.parse

import differences
import programs
import remote

T0 = int(time.time()) // 60 * 60 - 1800  # seconds; the newest sample lies some 20 minutes back
STEPS = 40

QUERY_CASES = [
    "query=up", "query=up&time={t}", "query=1", "query=1e21", "query=-0", "query=%22a%22", "query=NaN", "query=1/0",
    "query=up[2m]&time={t}", "query=up{%7B", "query=", "", "query=up&time=abc", "query=up&time=1_0",
    "query=up&time={t}.5", "query=up&time={rfc}", "query=up&timeout=x", "query=up&timeout=10s&time={t}",
    "query=up&limit=-1", "query=up&limit=x", "query=up&limit=1&time={t}", "query=up&limit=0&time={t}",
    "query=up&lookback_delta=x", "query=up&lookback_delta=1s&time={t}", "query=up&lookback_delta=0&time={t}",
    "query=sum(up)&time={t}", "query=sum+by+(job)(up)&time={t}", "query=nope&time={t}", "query=up+*&time={t}",
    "query=up{job=%22a%22}&time={t}", "query=up{job=~%22a|b%22}&time={t}", "query=up{job!=%22a%22}&time={t}",
    "query=counter_total&time={t}", "query=rate(counter_total[5m])&time={t}", "query=tiny*1e-9&time={t}",
    "query=big*1e21&time={t}", "query=text{v=~%22.%2B%22}&time={t}", "query=gone&time={t}", "query=gone&time={t0}",
    "query=up&time=-62167219200", "query=up&time=9223372036854775.807", "query=vector(1)&time=1.0005",
    "query=foo(up)", "query=rate(up)", "query=sum(up", "query=up+%2B+on(a)+group_left+up&time={t}",
    "query=topk(1,up)&time={t}", "query=sort_desc(counter_total)&time={t}", "query=count_over_time(up[1h])&time={t}",
    "query=up%20or%20counter_total&time={t}", "query=time()&time=4", "query=1%2B1&time=4",
    "query=histogram_quantile(0.5,h_bucket)&time={t}", "query=label_replace(up,%22x%22,%22$1%22,%22job%22,%22(.*)%22)&time={t}",
    "query=up+bool+%3E+0", "query=up+%3E+bool+0&time={t}", "query=1+%3E+2", "query=absent(nope{a=%22b%22})&time={t}",
]
RANGE_CASES = [
    "query=up", "query=up&start=1", "query=up&start=1&end=0&step=1", "query=up&start=1&end=2&step=0",
    "query=up&start=1&end=2&step=-1", "query=up&start=1&end=2&step=x", "query=up&start=x&end=2&step=1",
    "query=up&start=0&end=20000&step=1", "query=up[5m]&start=0&end=20&step=1", "query=%22a%22&start=0&end=20&step=1",
    "query=1&start=0&end=2&step=1", "query=up&start={t0}&end={t}&step=60", "query=up&start={t0}&end={t}&step=1m30s",
    "query=up&start={t0}.25&end={t}&step=0.5m", "query=rate(counter_total[5m])&start={t0}&end={t}&step=30",
    "query=sum+by+(job)(rate(counter_total[5m]))&start={t0}&end={t}&step=30.5", "query=up&start={t0}&end={t}&step=60&limit=1",
    "query=gone&start={t0}&end={t}&step=15", "query=nope&start={t0}&end={t}&step=15", "query=up{&start=1&end=2&step=1",
    "query=time()&start={t0}&end={t}&step=600", "query=text&start={t0}&end={t}&step=600", "query=up+%3E+0&start={t0}&end={t}&step=60",
    "query=counter_total%20and%20on(job)%20up&start={t0}&end={t}&step=120", "query=h_bucket&start={t0}&end={t}&step=300",
    "query=up&start=1&end=2&step=1&timeout=x", "query=up&start=1&end=2&step=1&lookback_delta=y",
    "query=topk(2,counter_total)&start={t0}&end={t}&step=60", "query=up&start={t}&end={t}&step=1",
]
LABEL_CASES = [
    "labels", "labels?limit=2", "labels?limit=-1", "labels?limit=x", "labels?match[]=nope", "labels?match[]=up",
    "labels?match[]=up&match[]=h_bucket", "labels?start=x", "labels?end=x", "labels?start={t}&end={t0}", "labels?match[]=up{",
    "labels?match[]=%7B%7D", "labels?start={t0}&end={t}", "labels?start=-9223372036854775.808&end=9223372036854775.807",
    "label/job/values", "label/__name__/values", "label/__name__/values?limit=3", "label/nope/values", "label/no-pe/values",
    "label/job/values?match[]=up{job=%22a%22}", "label/job/values?match[]=up&match[]=h_bucket", "label/U__a_2e_b/values",
    "label/job/values?start=x", "series", "series?match[]=up", "series?match[]=up&limit=1", "series?match[]=%7B%7D",
    "series?match[]=up{", "series?match[]=up&start=x", "series?match[]=up&match[]=counter_total", "series?match[]=nope",
    "series?match[]=up&limit=-1", "series?match[]={job=~%22.%2B%22}", "series?match[]={job!~%22.%2B%22}",
    "metadata?limit=x", "metadata?limit_per_metric=x", "query_exemplars?query=up&start=1&end=2", "query_exemplars?query=up&start=x",
    "query_exemplars?query=test&start=1755000000000&end=1755000100000", "query_exemplars?query=up{&start=1&end=2",
    "rules", "rules?type=alert", "alerts", "targets", "targets?state=active", "alertmanagers", "scrape_pools", "targets/metadata",
    "format_query?query=sum+by(a)(up)", "format_query?query=up{", "nothing_here", "status/walreplay",
]


def fill(server):
    """Gauges, counters, buckets, text, a series that ends with a stale marker."""
    messages = []
    names = [({"__name__": "up", "job": j, "instance": f"{j}:{i}"}, 1) for j in "abc" for i in range(2)]
    names += [({"__name__": "tiny"}, 1.5), ({"__name__": "big"}, 3), ({"__name__": "text", "v": "a<b>&\"c\"\\ü\n"}, 0.1)]
    times = [T0 + 15 * k for k in range(STEPS)]
    for labels, v in names:
        messages.append(remote.series(labels, [(t * 1000, v) for t in times]))
    for j in "ab":
        messages.append(remote.series({"__name__": "counter_total", "job": j},
                                      [(t * 1000 + 123, 7.3 * k % 100) for k, t in enumerate(times)]))
    for k, le in enumerate(("0.1", "0.5", "1", "+Inf")):
        messages.append(remote.series({"__name__": "h_bucket", "job": "a", "le": le},
                                      [(t * 1000, (k + 1) * n) for n, t in enumerate(times)]))
    messages.append(remote.series({"__name__": "gone"},
                                  [(t * 1000, 1) for t in times[:10]] + [(times[10] * 1000, remote.STALE)]))
    status, text = remote.write(server, *messages)
    assert status == 204, (status, text)


def canonical(path, body):
    """JSON in a form that can be compared: vectors are sets, and so are series lists."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    data = answer.get("data")
    ordered = "sort" in path or "topk" in path
    if isinstance(data, dict) and data.get("resultType") == "vector" and not ordered:
        data["result"].sort(key=lambda s: sorted(s["metric"].items()))
    if "/series" in path and isinstance(data, list):
        data.sort(key=lambda s: sorted(s.items()))
    return differences.normal_answer(answer)


class Api(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.ferula = programs.Ferula()
        cls.prometheus = programs.Prometheus("", "--web.enable-remote-write-receiver", suite="sid")
        for server in (cls.ferula, cls.prometheus):
            cls.addClassCleanup(server.__exit__)
            server.start()
            fill(server)

    def both(self, path, **request):
        return self.prometheus.request(path, **request), self.ferula.request(path, **request)

    def check(self, path, **request):
        end = T0 + 15 * (STEPS - 1)
        rfc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
        path = path.replace("{t0}", str(T0)).replace("{t}", str(end)).replace("{rfc}", rfc).replace("{%7B", "%7B")
        with self.subTest(path=path, **request):
            theirs, ours = self.both(path, **request)
            if differences.of_request(path):
                self.assertEqual(theirs[0], ours[0])
                return
            self.assertEqual((theirs[0], canonical(path, theirs[2])), (ours[0], canonical(path, ours[2])))
            for name in ("Content-Type", "Allow", "Content-Encoding"):
                self.assertEqual(theirs[1][name], ours[1][name], name)

    def test_instant_queries(self):
        for case in QUERY_CASES:
            if "time=" in case or "query=" not in case or case.count("=") < 1:
                self.check("/api/v1/query?" + case)
            else:
                self.check("/api/v1/query?" + case + "&time={t}")

    def test_range_queries(self):
        for case in RANGE_CASES:
            self.check("/api/v1/query_range?" + case)

    def test_labels_series_and_the_rest(self):
        for case in LABEL_CASES:
            self.check("/api/v1/" + case.replace("[", "%5B").replace("]", "%5D"))

    def test_post_merges_url_and_form(self):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        at = str(T0 + 60)
        cases = [
            ("/api/v1/query", urllib.parse.urlencode({"query": "up", "time": at})),
            ("/api/v1/query?query=up&time=" + at, ""),
            ("/api/v1/query?time=" + at, "query=up"),
            ("/api/v1/query?query=big&time=" + at, "query=up"),
            ("/api/v1/query_range", urllib.parse.urlencode({"query": "up", "start": at, "end": at, "step": "1"})),
            ("/api/v1/labels", "match[]=up"), ("/api/v1/series", "match[]=up&match[]=big"),
            ("/api/v1/query?time=" + at, "query=%zz"),
        ]
        for path, body in cases:
            self.check(path, method="POST", body=body.encode(), headers=form)

    def test_methods(self):
        for method, path in (("DELETE", "/api/v1/query"), ("PUT", "/api/v1/labels"), ("OPTIONS", "/api/v1/query"),
                             ("HEAD", "/api/v1/query?query=1"), ("GET", "/api/v1/write"), ("POST", "/api/v1/label/a/values"),
                             ("GET", "/nothing"), ("POST", "/api/v1/status/flags"), ("OPTIONS", "/api/v1/write")):
            self.check(path, method=method)

    def test_gzip_is_used_where_accepted(self):
        for accept in ("gzip", "gzip;q=0", "identity", "br, gzip;q=0.5"):
            for server in (self.ferula,):
                _, headers, _ = server.request("/api/v1/query?query=1", headers={"Accept-Encoding": accept})
                self.assertEqual(headers["Content-Encoding"], "gzip" if "gzip" in accept and "q=0," not in accept + "," else None)

    def test_raw_braces_in_the_url(self):
        for server in (self.prometheus, self.ferula):
            import http.client
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.putrequest("GET", '/api/v1/series?match[]={job="a"}|x^')
            connection.endheaders()
            answer = connection.getresponse()
            self.assertIn(answer.status, (200, 400))
            self.assertIn(b"parse error", answer.read())
            connection.close()

    def test_shapes_of_status(self):
        for path in ("status/buildinfo", "status/runtimeinfo", "status/tsdb", "status/flags", "status/config"):
            with self.subTest(path=path):
                theirs, ours = self.prometheus.api(path), self.ferula.api(path)
                missing = theirs.keys() - ours.keys()
                if path == "status/flags":  # agent mode and paths of the binary package are not ours
                    missing = {k for k in missing if not k.startswith("storage.agent") and k not in ("agent", "web.local-assets")}
                self.assertEqual(missing, set())
                self.assertEqual({k: type(v) for k, v in ours.items() if k in theirs}, {k: type(v) for k, v in theirs.items() if k in ours})

    def test_metrics_page_is_valid_for_promtool(self):
        import subprocess
        page = self.ferula.request("/metrics")[2]
        ran = subprocess.run([programs.peer("sid/promtool"), "check", "metrics"], input=page, capture_output=True, check=False)
        self.assertNotIn(b"error while linting", ran.stderr)
        self.assertEqual(ran.returncode in (0, 3), True, ran.stderr)
        self.assertIn(b"prometheus_tsdb_lowest_timestamp_seconds", page)


if __name__ == "__main__":
    unittest.main()
