"""The table of requests that test_api_diff.py sends to a running Prometheus and to Ferula: every endpoint with its
parameters, forms of time, methods, limits, encodings, and what is malformed.

The data is fixed (see test_api_diff.py), so all times are: T0..T1 in the head, BLOCK0..BLOCK1 in blocks.
"""

import json
import urllib.parse
from typing import NamedTuple

T0 = 1_700_040_000  # seconds; samples of the head each STEP seconds
STEP = 15
STEPS = 80
T1 = T0 + STEP * (STEPS - 1)
BLOCK0, BLOCK1 = 1_700_006_400, 1_700_035_200
FORM = "application/x-www-form-urlencoded"
API = "/api/v1/"
ALL = "%7B__name__%3D~%22.%2B%22%7D"


class Request(NamedTuple):
    path: str  # as it goes over the wire
    method: str = "GET"
    headers: tuple = ()  # pairs
    body: bytes = b""

    def __str__(self):
        more = "".join(f" {name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.path}{more}{' ' + self.body.decode(errors='replace') if self.body else ''}"


def get(endpoint, *texts):
    """GETs of an API endpoint with each of the query texts; a text goes out as it is."""
    return [Request(API + endpoint + ("?" + text if text else "")) for text in texts]


def quote(text):
    return urllib.parse.quote(text, safe="")


def with_query(endpoint, rest, *queries):
    """GETs with each of the PromQL texts, escaped, and the rest of the parameters."""
    return get(endpoint, *("query=" + quote(q) + rest for q in queries))


def post(endpoint, body, url="", content_type=FORM, method="POST"):
    headers = (("Content-Type", content_type),) if content_type is not None else ()
    return Request(API + endpoint + url, method, headers, body if isinstance(body, bytes) else body.encode())


TIMES = [
    str(T1), f"{T1}.5", f"{T1}.123456789", f"{T1}e0", "1.70004e9", "1_700_040_060", f"+{T1}", f"0{T1}", "0x6554a5e0", "-1", "0",
    "-0", "NaN", "nan", "Inf", "+Inf", "-Inf", "infinity", "1e300", "-1e300", "1e-300", "9223372036854775.807", "-9223372036854775.808",
    "9223372036854775807", "-9223372036854775808", "-62167219200", "-62135596800", "253402300800", "1e18", "-1e18",
    "2023-11-15T09:20:00Z", "2023-11-15T09:20:00.123Z", "2023-11-15T09:20:00.123456789Z", "2023-11-15T09:20:00%2B01:00",
    "2023-11-15T09:20:00-01:30", "2023-11-15T09:20:00", "2023-11-15", "2023-11-15t09:20:00z", "2023-02-30T00:00:00Z",
    "2024-02-29T23:59:59Z", "2023-11-15T24:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z", "now", "now-1h", "1h", "", "%20", "1%20", "%201", "x", "1,5",
    "2023-11-15T09:20:60Z", "2023-11-15T09:20:00%2B24:00", "%2B0", "1e", "0x", "٣", "1__0", "_1", "1_",
]
DURATIONS = [
    "15", "0.5", "1m", "1m30s", "1h0m0s", "500ms", "1d", "1w", "1y", "0", "0s", "-1", "-1m", "1e3", "NaN", "Inf", "-Inf", "1e300",
    "9223372036", "9223372037", "1.5h", "1s1m", "1m1m", "m", "1", "1%20m", "abc", "", "%20", "0.0001", "300y", "106751d", "1_0", "0x10",
    "1h30", "+5",
]
QUERIES = [
    "up", "1", "-0", "1e21", "1e-7", "NaN", "1/0", "-1/0", '"a"', "'<&>'", '"\\u00fc\\n"', "up[2m]", "up[2m] offset 1m", "sum(up)", "sum by (job) (up)",
    "nope", "up *", "up{", "up}", "", " ", "#", "up # comment", 'up{job="a"}', 'up{job=~"a|b"}', 'up{job!="a"}', 'up{job=~"("}', 'up{job="a",}', "{}",
    '{job=~".*"}', '{__name__="up"}', '{"up"}', '{"up", job="a"}', '{"größe.x"}', 'größe', "rate(counter_total[5m])", "rate(up)", "sum(up",
    "tiny * 1e-9", "big * 1e21", 'text{v=~".+"}', "gone", "vector(1)", "time()", "timestamp(up)", "topk(1, up)", "sort_desc(counter_total)", "sort(up)",
    "count_over_time(up[1h])", "up or counter_total", "up and on(job) counter_total", "up > bool 0", "up bool > 0", "1 > 2", "1 > bool 2",
    'absent(nope{a="b"})', "absent_over_time(nope[5m])", 'label_replace(up, "x", "$1", "job", "(.*)")', 'label_join(up, "x", "-", "job", "instance")',
    "histogram_quantile(0.5, h_bucket)", "histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))", "quantile(2, up)", "count_values('v', up)",
    "max_over_time(rate(counter_total[1m])[5m:30s])", "up @ 1700040300", "up @ end()", "up offset -1m", "sum(up) / count(up)", "foo(up)",
    "up + on(a) group_left up", "scalar(up)", "scalar(tiny)", "string", "-up", "--1", "up unless up", "stddev(up)", "group(up)", "limitk(1, up)",
    "predict_linear(counter_total[5m], 60)", "1 + 1", "avg_over_time(up[10m])", "month(vector(1700040000))", "sum without (instance) (up)",
]
RANGE = f"&start={T0}&end={T1}&step="


def query_requests():
    at = f"&time={T1}"
    out = with_query("query", at, *QUERIES)
    out += get("query", *(f"query=up&time={t}" for t in TIMES if t != ""))
    out += get("query", *(f"query=vector(1)&time={t}" for t in ("9223372036854775.807", "-9223372036854775.808", "1.0005", "0.0015", "-1.5")))
    out += get("query", *(f"query=up{at}&timeout={d}" for d in DURATIONS if d not in ("0.0001", "500ms", "0.5")))
    out += get("query", *(f"query=up{at}&lookback_delta={d}" for d in DURATIONS))
    out += get("query", *(f"query={q}{at}&limit={n}" for q in ("up", "1", "up[2m]") for n in ("0", "1", "2", "100")))
    out += get("query", *(f"query=up{at}&limit={n}" for n in ("-1", "x", "1.5", "", "+1", "0x1", "9223372036854775807", "9223372036854775808")))
    out += get("query", "time=4", "query=1%2B1&time=4", "query=up&query=tiny" + at, "query=up&time=1&time=2", "unknown=1&query=1" + at,
               "QUERY=1" + at, "query=%75p" + at, "query=up+%2B+1" + at, f"query=up{at}&namespace=x&max_samples_processed_warning_threshold=1",
               f"query=up{at};a=b", "query=up%" + at, "query=up%zz" + at, "query=%ff" + at, "query=%00" + at, 'query=up{job="a"}' + at,
               "query=up|^`" + at, "query=a%0Ab" + at, "&&&query=1" + at + "&&", "=x&query=1" + at, "query" + at)
    return out


def range_requests():
    out = with_query("query_range", RANGE + "60", *(q for q in QUERIES if "limitk" not in q))
    out += get("query_range", *(f"query=up{RANGE}{d}" for d in DURATIONS if d != "0.0001"))
    out += get("query_range", *(f"query=up&start={t}&end={T1}&step=1h" for t in TIMES))
    out += get("query_range", *(f"query=up&start={T1 - 60}&end={t}&step=1h" for t in TIMES))
    out += get("query_range", "", "query=up", "query=up&start=1", "query=up&start=1&end=2", "query=up&start=1&end=0&step=1",
               "query=up&start=0&end=11000&step=1", "query=1&start=0&end=11001&step=1", "query=up&start=0&end=11000.5&step=1",
               f"query=up&start={T1}&end={T1}&step=1", f"query=up{RANGE}60&limit=1", f"query=up{RANGE}60&limit=0", f"query=up{RANGE}60&limit=-1",
               f"query=up&start={T0}.25&end={T1}.75&step=0.5m", f"query=up&start={T0 + 1}&end={T1}&step=7.3", f"query=up{RANGE}60&timeout=x",
               f"query=up{RANGE}60&lookback_delta=1s", f"query=up&start={BLOCK0}&end={BLOCK1}&step=3600",
               f"query={ALL}&start={BLOCK0}&end={BLOCK1}&step=7200")
    return out


def label_requests():
    selectors = ["up", "nope", 'up{job="a"}', "{}", '{job=~".*"}', '{job=~".+"}', '{job!~".+"}', "up{", "", "up[5m]", "sum(up)", "up offset 5m", '{__name__!=""}',
                 '{__name__=~"h.*"}', "up @ 1", '{"größe.x"}', '{job="a",job="b"}']
    out = []
    for endpoint in ("labels", "label/job/values", "label/__name__/values", "series"):
        some = "match[]=up&" if endpoint == "series" else ""
        out += get(endpoint, "", *("match[]=" + quote(s) for s in selectors))
        out += get(endpoint, "match%5B%5D=up", "match[]=up&match[]=tiny", "match[]=tiny&match[]=up&match[]=up", "match=up", "match[]=up&match[]={",
                   f"{some}start={T0}&end={T1}", f"{some}start={BLOCK0}&end={BLOCK1 - 1}", f"{some}start={T1}&end={T0}", f"{some}start=x", f"{some}end=x",
                   f"{some}start=-9223372036854775&end=9223372036854775", f"{some}start=-62167219200&end=253402300800", f"{some}start={T1 + 10**7}",
                   f"{some}limit=-1", f"{some}limit=x", f"{some}limit=0", f"{some}limit=1000", f"{some}start={T0}.5&end={T1}.5", f"{some}start=&end=&limit=")
    out += get("labels", "limit=1", "limit=2") + get("series", "match[]=up&limit=1", "match[]=up&match[]=tiny&limit=2")
    out += get("series", *("match[]=" + quote(f'{{__name__=~"{r}"}}') for r in ("h_.*|up", "(?i)UP", "", "up|", "[", ".+_total", "^up$", "u.")))
    for name in ("nope", "no-pe", "a.b", "U__a_2e_b", "U__a__b", "U__", "U__%C3%BC", "_", "1a", "%C3%BC", "%ff", "%20", "a%2Fb", "le", "U__gr_f6__df_e_2e_x", "U__zz_110000_"):
        out += get(f"label/{name}/values", "")
    return out + get("label//values", "") + get("label/values", "") + get("label/a/b/values", "") + get("label/job/value", "")


def text_requests():
    out = []
    for endpoint in ("format_query", "parse_query"):
        out += with_query(endpoint, "", "sum by(a)(up)", "up{", "", "1", '"x"', "up [5m]", "sum(rate(counter_total[5m])) by (job) / 2", 'up{a="b",c=~"d|e"}', "a and b or c",
                          "-1^2", "up offset 5m @ 3", "max_over_time(up[5m:1m])", "topk(3, up)", "{'a.b'}", "up # c")
        out += get(endpoint, "", "query=%zz", "other=1") + [post(endpoint, "query=up"), post(endpoint, "", "?query=up"), post(endpoint, "query=a", "?query=b")]
    return out


def exemplar_requests():
    out = with_query("query_exemplars", f"&start={T0}&end={T1}", "nope", "test", "1", "{", "", '"a"', "sum(nope)", "nope + nope2", "rate(nope[5m])", "{}")
    out += get("query_exemplars", "query=test&start=1755000000000&end=1755000100000", "query=test", "query=test&start=x", "query=test&end=x",
               "query=test&start=2&end=1", "query=test&start=2&end=2", "query=test&start=-9223372036854775&end=9223372036854775")
    return out + [post("query_exemplars", f"query=nope&start={T0}&end={T1}"), post("query_exemplars", "", f"?query=nope&start={T0}&end={T1}")]


def shape_requests():
    out = get("rules", "", "type=alert", "type=record", "type=x", "type=", "rule_name[]=a", "file[]=a", "rule_group[]=b", "exclude_alerts=true", "exclude_alerts=x",
              "exclude_alerts=", "match[]=up", "match[]=", "match[]=up{", "group_limit=1", "group_limit=0", "group_limit=-1", "group_limit=x", "group_next_token=a",
              "group_limit=1&group_next_token=a", "type=alert&file=a&file[]=a&rule_group=b&rule_group[]=b")
    out += get("alerts", "", "x=1") + get("alertmanagers", "", "x=1")
    out += get("targets", "", "state=active", "state=dropped", "state=any", "state=ANY", "state=Active", "state=x", "state=", "scrapePool=a", "state=active&scrapePool=a")
    out += get("targets/metadata", "", "limit=1", "limit=0", "limit=-1", "limit=x", "metric=up", "match_target=%7Bjob%3D%22a%22%7D", "match_target=up{", "match_target=up",
               "match_target=%7B%7D")
    out += get("scrape_pools", "", "x=1") + get("notifications", "")
    out += get("metadata", "", "limit=0", "limit=-1", "limit=x", "limit=1.5", "limit_per_metric=0", "limit_per_metric=-1", "limit_per_metric=x", "metric=nope", "metric=",
               "limit=1&limit_per_metric=1&metric=nope")
    out += get("status/config", "", "x=1") + get("status/runtimeinfo", "") + get("status/buildinfo", "") + get("status/flags", "")
    out += get("status/tsdb", "", *("limit=" + n for n in ("1", "3", "100", "0", "-1", "x", "10000", "10001", "", "1.5")))
    return out + get("status/walreplay", "", "x=1")


def form_requests():
    at = str(T1)
    encoded = urllib.parse.urlencode({"query": 'up{job="a"}', "time": at})
    out = [
        post("query", encoded), post("query", "", "?" + encoded), post("query", "", "?" + encoded, None), post("query", "query=up", "?time=" + at),
        post("query", "query=tiny", f"?query=up&time={at}"), post("query", f"query=up&time={at}&query=tiny"), post("query", "query=%zz", "?time=" + at),
        post("query", f"query=up&time={at};x=1"), post("query", encoded, "", "text/plain"), post("query", encoded, "", FORM + "; charset=utf-8"),
        post("query", encoded, "", "APPLICATION/X-WWW-FORM-URLENCODED"), post("query", encoded, "", None), post("query", encoded, "", "application/json"),
        post("query", json.dumps({"query": "up"}), "", "application/json"), post("query", encoded, "", "multipart/form-data"),
        post("query", encoded, "", "multipart/form-data; boundary=x"), post("query", encoded, "", ";;"), post("query", encoded, "", ""),
        post("query", "query=" + "1+" * 3000 + "+1", "?time=" + at), post("query", "query=" + quote("up" + " " * 20000), "?time=" + at),
        post("query_range", f"query=up&start={T0}&end={T1}&step=60"), post("query_range", f"start={T0}&end={T1}", "?query=up&step=60"),
        post("labels", "match[]=up"), post("labels", "match[]=up", "?match[]=tiny"), post("labels", ""), post("series", "match[]=up&match[]=tiny"),
        post("series", "match[]=up", "?match[]=tiny"), post("series", ""), post("series", "match[]=up&limit=1"), post("labels", "start=x"),
        post("series", "match%5B%5D=" + quote('{job="a"}') + f"&start={T0}&end={T1}"),
    ]
    multipart = '--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nup\r\n--x--\r\n'
    return out + [post("query", multipart, "?time=" + at, "multipart/form-data; boundary=x"), post("query", b"query=\xff\xfe", "?time=" + at)]


ENDPOINTS = {  # with parameters that make a good request
    "query": f"?query=up&time={T1}", "query_range": f"?query=up&start={T0}&end={T1}&step=300", "query_exemplars": f"?query=nope&start={T0}&end={T1}",
    "format_query": "?query=up", "parse_query": "?query=up", "labels": "", "label/job/values": "", "series": "?match[]=up", "metadata": "", "rules": "",
    "alerts": "", "targets": "", "targets/metadata": "", "scrape_pools": "", "alertmanagers": "", "status/config": "", "status/runtimeinfo": "",
    "status/buildinfo": "", "status/flags": "", "status/tsdb": "", "status/walreplay": "", "notifications": "", "notifications/live": "", "write": "", "read": "",
    "otlp/v1/metrics": "", "admin/tsdb/delete_series": "", "admin/tsdb/clean_tombstones": "", "admin/tsdb/snapshot": "",
}
PAGES = ["/-/healthy", "/-/ready", "/-/quit", "/-/reload", "/metrics", "/federate", "/version", "/"]


def method_requests():
    out = []
    for endpoint, params in ENDPOINTS.items():
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST", "GET"):
            live = endpoint == "notifications/live" and method == "GET"
            body = method in ("POST", "PUT") and endpoint in ("write", "read", "otlp/v1/metrics")
            if not live and not body:
                out.append(Request(API + endpoint + params, method))
    out += [Request(page, method) for page in PAGES for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "POST")]
    out += [Request(page) for page in ("/-/healthy", "/-/ready", "/-/quit", "/-/reload")]
    out += [Request(API + "query?query=1", method) for method in ("TRACE", "CONNECTED", "get", "PROPFIND")]
    return out + [Request(API + "series", "DELETE"), Request(API + "series?match[]=up", "DELETE"), Request("*", "OPTIONS")]


def cors_requests():
    out = []
    for origin in ("http://example.org", "https://example.org:8443", "null", "", "x", "http://127.0.0.1"):
        headers = (("Origin", origin),)
        out += [Request(API + "query?query=up&time=1", "GET", headers), Request(API + "query", "OPTIONS", headers), Request(API + "status/config", "GET", headers),
                Request(API + "nothing", "GET", headers), Request(API + "nothing", "OPTIONS", headers), Request("/federate", "GET", headers),
                Request("/-/healthy", "GET", headers)]
    preflight = (("Origin", "http://example.org"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "x-a, content-type"))
    return out + [Request(API + endpoint, "OPTIONS", preflight) for endpoint in ("query", "write", "read", "admin/tsdb/snapshot", "a/b/c", "")]


def encoding_requests():
    out = []
    for accept in ("gzip", "identity", "gzip, deflate, br, zstd", "br", "zstd", "*", "gzip;q=0", "gzip;q=0.5", "GZIP", "x-gzip", "", "gzip,gzip", "deflate", "deflate, gzip"):
        headers = (("Accept-Encoding", accept),)
        out += [Request(API + "query?query=1&time=1", "GET", headers), Request(API + "labels", "GET", headers), Request(API + "query?query={", "GET", headers),
                Request("/federate?match[]=nope", "GET", headers)]
    for accept in ("application/json", "text/html", "*/*", "application/xml", "application/json;q=0", "text/*", "a/b;c=d", "", "application/*", "nonsense"):
        out += [Request(API + "query?query=1&time=1", "GET", (("Accept", accept),)), Request(API + "query?query=x(", "GET", (("Accept", accept),))]
    openmetrics, protobuf = "application/openmetrics-text;version=1.0.0", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"
    for accept in ("", "*/*", "text/plain", "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", openmetrics, openmetrics + ";q=0.9,text/plain;q=0.2", "text/html",
                   "text/plain;escaping=allow-utf-8", protobuf, protobuf + ";encoding=text"):
        out.append(Request("/metrics", "GET", (("Accept", accept),)))
        out.append(Request("/federate?match[]=nope", "GET", (("Accept", accept),)))
    for path in ("/metrics", "/federate?match[]=nope"):
        out.append(Request(path, "GET", (("Accept", protobuf + ";encoding=delimited"),)))
    return out


def page_requests():
    paths = ["/nothing", "/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/query", "/api/v1/query/", "//api/v1/query", "/api/v1/../v1/labels",
             "/api/v1/./labels", "/api//v1/labels", "/api/v1/QUERY", "/Api/v1/labels", "/api/v1/lab%65ls", "/api/v1%2Flabels", "/-/", "/-/nothing", "/-/healthy/", "/-/ready?x=1",
             "/metrics/", "/federate", "/federate?match[]=nope", "/federate?match[]={", "/federate?match[]=", "/federate?match[]=up[5m]", "/federate/", "/version",
             "/graph", "/query", "/alerts", "/targets", "/rules", "/status", "/tsdb-status", "/flags", "/config", "/service-discovery", "/alertmanager-discovery",
             "/favicon.ico", "/favicon.svg", "/manifest.json", "/assets/x.js", "/consoles", "/consoles/", "/consoles/x.html", "/user/x", "/debug/pprof", "/debug/pprof/",
             "/debug/nothing", "/classic/graph", "/agent", "/graph?g0.expr=up", "/api/v1/features", "/api/v1/search/metric_names", "/api/v1/status/tsdb/blocks"]
    return [Request(p) for p in paths]


def admin_requests():
    out = []
    for call in ("delete_series?match[]=up", "clean_tombstones", "snapshot", "snapshot?skip_head=x"):
        for headers in ((), (("Origin", "http://example.org"),)):
            out.append(Request(API + "admin/tsdb/" + call, "POST", headers))
    out += [Request(page, method, (("Origin", "http://example.org"),)) for page in ("/-/quit", "/-/reload") for method in ("POST", "PUT")]
    return out


def remote_requests():
    out = []
    for endpoint in ("write", "read"):
        for body in (b"", b"x", b"\x00", b"\xff" * 10, b"\x05\x10hello"):
            for headers in ((), (("Content-Type", "application/x-protobuf"), ("Content-Encoding", "snappy")), (("Content-Type", "text/plain"),), (("Content-Encoding", "gzip"),)):
                if headers or body:
                    out.append(Request(API + endpoint, "POST", headers, body))
    return out


def requests():
    """All of them, each once."""
    parts = (query_requests, range_requests, label_requests, text_requests, exemplar_requests, shape_requests, form_requests, method_requests, cors_requests,
             encoding_requests, page_requests, admin_requests, remote_requests)
    return list(dict.fromkeys(r for part in parts for r in part()))
