"""The table of api_requests.py sent to a running Prometheus 3.5 and to Ferula, both on copies of one directory: status,
headers and bodies are equal but for what testdata/differences.json lists.

FERULA_API_PRINT=1 prints each difference in full.
"""

import gzip
import http.client
import json
import os
import shutil
import tempfile
import unittest
import zlib
from typing import NamedTuple

import api_requests
import differences
import programs
import remote

HEADERS = ("Allow", "Content-Type", "Content-Encoding", "Location", "Retry-After", "Vary", "WWW-Authenticate", "X-Content-Type-Options", "X-Prometheus-Stopping",
           "Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers")
CONFIG = json.dumps({"global": {"external_labels": {"replica": "r1"}}})
GOLDEN = [os.path.join(programs.ROOT, "testdata", *path) for path in (("blocks", "prometheus-3.5"), ("histograms", "prometheus-3.5"))]


def samples():
    """What the head holds: gauges, a counter, buckets, texts, a series that ends."""
    times = [(api_requests.T0 + api_requests.STEP * k) * 1000 for k in range(api_requests.STEPS)]
    for job in "abc":
        for i in range(2):
            yield remote.series({"__name__": "up", "instance": f"{job}:{i}", "job": job}, [(t, 1) for t in times])
    yield remote.series({"__name__": "tiny"}, [(t, 1.5) for t in times])
    yield remote.series({"__name__": "big"}, [(t, 3) for t in times])
    yield remote.series({"__name__": "größe.x", "wo liegt": "ü"}, [(t, 3) for t in times])
    yield remote.series({"__name__": "text", "v": "a<b>&\"c\"\\ü\n"}, [(t, 0.1) for t in times])
    for job in "ab":
        yield remote.series({"__name__": "counter_total", "job": job}, [(t + 123, 7.3 * k % 100) for k, t in enumerate(times)])
    for k, le in enumerate(("0.1", "0.5", "1", "+Inf")):
        yield remote.series({"__name__": "h_bucket", "job": "a", "le": le}, [(t, (k + 1) * n) for n, t in enumerate(times)])
    yield remote.series({"__name__": "gone"}, [(t, 2) for t in times[:20]] + [(times[20], remote.STALE)])


def make_directory(to):
    """Golden blocks, and a log that a Prometheus wrote behind them."""
    with programs.Prometheus(CONFIG, "--web.enable-remote-write-receiver", suite="sid", data=to) as writer:
        status, text = remote.write(writer, *samples())
        assert status == 204, text
    for folder in GOLDEN:
        for name in os.listdir(folder):
            if os.path.isdir(os.path.join(folder, name)):
                shutil.copytree(os.path.join(folder, name), os.path.join(to, name))


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes


class Connection(http.client.HTTPConnection):
    """Sends request lines as they are given."""

    def _encode_request(self, request):
        return request.encode()

    def _validate_path(self, url):
        pass


class Client:
    """Requests as they stand in the table, over one connection."""

    def __init__(self, server):
        self.connection = Connection("127.0.0.1", server.port, timeout=20)

    def send(self, request):
        c = self.connection
        c.putrequest(request.method, request.path, skip_accept_encoding=True)
        for name, value in request.headers:
            c.putheader(name, value)
        if request.body or request.method in ("POST", "PUT"):
            c.putheader("Content-Length", str(len(request.body)))
        c.endheaders(request.body)
        answer = c.getresponse()
        body = answer.read()
        headers = {name: ", ".join(answer.headers.get_all(name) or []) for name in HEADERS}
        encoding = headers["Content-Encoding"]
        if encoding == "gzip" and body:
            body = gzip.decompress(body)
        elif encoding == "deflate" and body:
            body = zlib.decompress(body)
        return Answer(answer.status, headers, body)


def shape(value):
    """What a JSON value is made of, without its numbers and texts."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def decoded(body):
    """Its JSON, or the bytes."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def without(value, names):
    """JSON without the fields of these names."""
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def ranking(counts):
    """A list of the greatest counts, where equal ones stand in any order and which of the last are shown is open."""
    last = counts[-1]["value"] if counts else 0
    return sorted((-c["value"], c["name"] if c["value"] > last else "") for c in counts)


def canonical(request, body):
    """JSON in a form that can be compared: vectors and lists of series are sets."""
    answer = decoded(body)
    if not isinstance(answer, dict):
        return answer
    if dropped := differences.dropped_fields(str(request)):
        answer = without(answer, dropped)
    data = answer.get("data")
    if "headStats" in (data or ()) and isinstance(data, dict):
        answer["data"] = {k: ranking(v) if isinstance(v, list) else v for k, v in data.items()}
    if "/series" in request.path and isinstance(data, list):
        data.sort(key=lambda s: sorted(s.items()))
    ordered = "sort" in request.path or "topk" in request.path
    if isinstance(data, dict) and data.get("resultType") == "vector" and not ordered:
        data["result"].sort(key=lambda s: sorted(s["metric"].items()))
    return differences.normal_answer(answer)


def same_vary(theirs, ours):
    """Ours may say more than theirs."""
    def names(text):
        return {part.strip() for part in text.split(",")} - {""}
    return names(theirs) <= names(ours) <= names(theirs) | {"Accept-Encoding", "Origin"}


def compare(request, theirs, ours):
    """The parts that differ without being listed: (part, theirs, ours)."""
    same = differences.same_of_request(str(request))
    if "status" in same and theirs.status != ours.status:
        yield "status", theirs.status, ours.status
    for name in HEADERS if "headers" in same else ():
        a, b = theirs.headers[name], ours.headers[name]
        if not (same_vary(a, b) if name == "Vary" else a == b) and not differences.of_header(name, str(request)):
            yield name, a, b
    if "body" in same and theirs.body != ours.body:
        a, b = canonical(request, theirs.body), canonical(request, ours.body)
        if a != b:
            yield "body", a, b
    elif "shape" in same:
        a, b = (shape(decoded(answer.body)) for answer in (theirs, ours))
        if a != b:
            yield "shape", a, b


class ApiDiff(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="api-diff-")
        cls.addClassCleanup(shutil.rmtree, folder)
        paths = [os.path.join(folder, name) for name in ("theirs", "ours")]
        make_directory(paths[0])
        shutil.copytree(paths[0], paths[1])
        cls.prometheus = programs.Prometheus(CONFIG, "--web.enable-remote-write-receiver", suite="sid", data=paths[0])
        cls.ferula = programs.Ferula(f"--config.file={cls.prometheus.config_path}", "--web.cors.origin=.*", data=paths[1])
        for server in (cls.prometheus, cls.ferula):
            cls.addClassCleanup(server.__exit__)
            server.start()

    def test_the_whole_table(self):
        clients = [Client(server) for server in (self.prometheus, self.ferula)]
        table = api_requests.requests()
        self.assertGreater(len(table), 1000)
        found = []
        for request in table:
            theirs, ours = (client.send(request) for client in clients)
            found += [(request, *difference) for difference in compare(request, theirs, ours)]
        for request, part, theirs, ours in found if os.environ.get("FERULA_API_PRINT") else ():
            print(f"# {request}\n#   {part}: {theirs}\n#   {' ' * len(part)}  {ours}")
        print(f"# {len(table)} requests compared, {len(found)} differences not listed")
        for request, part, theirs, ours in found[:20]:
            with self.subTest(request=str(request)[:300], part=part):
                self.assertEqual(theirs, ours)
        self.assertEqual(found[20:], [], "and more")


if __name__ == "__main__":
    unittest.main()
