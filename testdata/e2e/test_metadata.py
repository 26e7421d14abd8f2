"""Metadata of families that OpenMetrics names otherwise than their series, by remote write 1.0 of a real Prometheus."""

import http.server
import os
import tempfile
import threading
import time
import unittest

import programs

PAGE = b"""# HELP requests Requests served.
# TYPE requests counter
requests_total 7
requests_created 1.7e9
# HELP build What was built.
# TYPE build info
build_info{version="1"} 1
# HELP wait_seconds How long it took.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{le="1.0"} 3
wait_seconds_bucket{le="+Inf"} 4
wait_seconds_count 4
wait_seconds_sum 5.0
# HELP depth How deep.
# TYPE depth gauge
depth 2
# EOF
"""

TOLD = {
    "requests": [{"type": "counter", "unit": "", "help": "Requests served."}],
    "build": [{"type": "info", "unit": "", "help": "What was built."}],
    "wait_seconds": [{"type": "histogram", "unit": "seconds", "help": "How long it took."}],
    "depth": [{"type": "gauge", "unit": "", "help": "How deep."}],
}

CONFIG = """
global: {{scrape_interval: 200ms}}
scrape_configs: [{{job_name: om, static_configs: [{{targets: ['{target}']}}]}}]
remote_write: [{{url: '{url}/api/v1/write', metadata_config: {{send_interval: 500ms}}, queue_config: {{batch_send_deadline: 200ms}}}}]
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args):
        pass


class Metadata(unittest.TestCase):
    def wait_until(self, what, is_so):
        deadline = time.monotonic() + 30
        while not is_so():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def families(self, server):
        found = server.api("metadata")
        return {name: found.get(name) for name in TOLD}

    def are_logged(self, data):
        """A family is in memory alone until its first series is there and it is told again."""
        with open(os.path.join(data, "wal", "00000000"), "rb") as segment:
            log = segment.read(1 << 20)
        return all(entry["help"].encode() in log for entries in TOLD.values() for entry in entries)

    def test_families_outlive_a_kill_and_prometheus_reads_the_log(self):
        target = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(target.server_close)
        threading.Thread(target=target.serve_forever, daemon=True).start()
        self.addCleanup(target.shutdown)
        with tempfile.TemporaryDirectory(prefix="ferula-e2e-") as data, programs.Ferula(data=data) as ferula:
            config = CONFIG.format(target=f"127.0.0.1:{target.server_port}", url=ferula.url)
            with programs.Prometheus(config, suite="sid") as sender:
                self.wait_until("Prometheus does not tell", lambda: self.families(sender) == TOLD)
                self.wait_until("samples do not come", lambda: ferula.instant("requests_total") and ferula.instant("build_info"))
                self.wait_until("metadata does not come", lambda: self.families(ferula) == TOLD)
                self.wait_until("metadata does not come into the log", lambda: self.are_logged(data))
            ferula.kill()
            ferula.start()
            self.assertEqual(self.families(ferula), TOLD)
            self.assertNotIn("requests_total", ferula.api("metadata"))
            ferula.stop()
            for suite in ("release", "sid"):
                with programs.Prometheus(data=data, suite=suite) as reader:
                    self.assertEqual(len(reader.instant("last_over_time(requests_total[5m])")), 1)
                    self.assertNotRegex(reader.log(), "(?i)corrupt|level=(warn|error).*wal")


if __name__ == "__main__":
    unittest.main()
