"""Prometheus 3.5 sends remote write 2.0 to Ferula, through a kill -9 of Ferula: afterwards every sample
of the sender's own database is in Ferula, and nothing else."""

import json
import re
import time
import unittest

import programs

RUN_S = 10


class Sender2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ferula = programs.Ferula()
        cls.addClassCleanup(cls.ferula.__exit__)
        cls.ferula.start()
        port = programs.free_port()
        cls.prometheus = programs.Prometheus(cls.config([port]), "--web.enable-lifecycle",
                                             "--enable-feature=metadata-wal-records", suite="sid", port=port)
        cls.addClassCleanup(cls.prometheus.__exit__)
        cls.prometheus.start()
        time.sleep(RUN_S)
        cls.ferula.kill()
        time.sleep(2)
        cls.ferula.start()
        time.sleep(RUN_S)
        cls.at = time.time()
        cls.prometheus.reload(cls.config([]))  # no more scrapes, so that the queue empties
        cls.wait_until_sent()

    @classmethod
    def config(cls, ports):
        return json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "remote_write": [{"url": cls.ferula.url + "/api/v1/write", "protobuf_message": "io.prometheus.write.v2.Request",
                              "queue_config": {"batch_send_deadline": "500ms", "max_backoff": "200ms"}}],
            "scrape_configs": [{"job_name": "self", "static_configs": [{"targets": [f"127.0.0.1:{p}" for p in ports]}]}],
        })

    @classmethod
    def sender_says(cls, name):
        page = cls.prometheus.request("/metrics")[2].decode()
        return sum(float(v) for v in re.findall(rf"^{name}\{{.*\}} (\S+)$", page, re.MULTILINE))

    @classmethod
    def wait_until_sent(cls):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            sent = cls.sender_says("prometheus_remote_storage_queue_highest_sent_timestamp_seconds")
            if sent >= cls.at - 1.5 and cls.sender_says("prometheus_remote_storage_samples_pending") == 0:
                time.sleep(1)
                return
            time.sleep(0.1)
        raise AssertionError(f"the sender still has samples pending:\n{cls.prometheus.log()[-2000:]}")

    def test_every_sample_arrived(self):
        query, at = '{__name__=~".+"}[60s]', self.at - 1
        theirs, ours = ({json.dumps(s["metric"], sort_keys=True): s["values"] for s in server.instant(query, time=at)}
                        for server in (self.prometheus, self.ferula))
        self.assertGreater(sum(len(v) for v in theirs.values()), 5000)
        self.assertEqual(theirs.keys(), ours.keys())
        for metric, values in theirs.items():
            self.assertEqual(values, ours[metric], metric)

    def test_the_sender_lost_nothing(self):
        for what in ("samples_failed", "samples_dropped", "metadata_failed"):
            self.assertEqual(self.sender_says(f"prometheus_remote_storage_{what}_total"), 0, what)

    def test_metadata_of_the_sender_is_kept(self):
        found = self.ferula.api("metadata")
        self.assertEqual(found["prometheus_http_requests_total"][0]["type"], "counter")
        self.assertEqual(found["prometheus_http_request_duration_seconds"][0]["type"], "histogram")
        self.assertEqual(found["go_gc_duration_seconds"][0]["type"], "summary")


if __name__ == "__main__":
    unittest.main()
