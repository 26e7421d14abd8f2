"""Another prometheus.yml while the server runs: by POST /-/reload and by SIGHUP, whole or not at all."""

import json
import os
import re
import signal
import tempfile
import time
import unittest

import programs
import remote


class Reload(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ferula-reload-")
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "prometheus.yml")
        self.put({"zone": "one"})
        self.server = programs.Ferula(f"--config.file={self.path}", "--web.enable-lifecycle", "--enable-feature=exemplar-storage")
        self.addCleanup(self.server.__exit__)
        self.server.start()
        remote.write(self.server, remote.series({"__name__": "up"}, [(int(time.time() * 1000), 1)]))

    def put(self, labels, interval="1m"):
        self.put_text(json.dumps({"global": {"external_labels": labels, "evaluation_interval": interval}}))

    def put_text(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)

    def reload(self, method="POST"):
        status, _, body = self.server.request("/-/reload", method=method)
        return status, body.decode()

    def zone(self):
        """The external label in force, as /federate tells it."""
        page = self.server.request("/federate", [("match[]", "up")])[2].decode()
        return re.search(r'zone="(\w+)"', page)[1]

    def told(self):
        """(reload successful, time of the last success) by /metrics; runtimeinfo says the same."""
        page = self.server.request("/metrics")[2].decode()
        name = r"^prometheus_config_last_reload_success"
        ok, at = (float(re.search(rf"{name}{rest} (\S+)$", page, re.MULTILINE)[1]) for rest in ("ful", "_timestamp_seconds"))
        self.assertEqual(self.server.api("status/runtimeinfo")["reloadConfigSuccess"], ok == 1)
        return ok == 1, at

    def test_the_number_of_exemplars_changes(self):
        begin = int(time.time() * 1000) - 10_000
        for i in range(5):
            data = remote.field(3, remote.label("n", str(i)) + b"\x11" + bytes(8) + b"\x18" + remote.varint(begin + i))
            remote.write(self.server, remote.series({"__name__": "up"}, [], data))

        def kept():
            found = self.server.api("query_exemplars", query="up", start=0, end=time.time())
            return [e["labels"]["n"] for s in found for e in s["exemplars"]]

        self.assertEqual(kept(), ["0", "1", "2", "3", "4"])
        self.put_text("storage: {exemplars: {max_exemplars: 2}}")
        self.assertEqual(self.reload(), (200, ""))
        self.assertEqual(kept(), ["3", "4"])

    def test_post_applies_the_file(self):
        before = self.told()
        self.assertEqual((self.zone(), before[0]), ("one", True))
        self.put({"zone": "two"}, interval="7s")
        for method in ("POST", "PUT"):
            self.assertEqual(self.reload(method), (200, ""))
        self.assertEqual(self.zone(), "two")
        self.assertIn('zone: two\n', self.server.api("status/config")["yaml"])
        self.assertGreater(self.told()[1], before[1])
        steps = self.server.instant("count_over_time(vector(1)[70s:])")
        self.assertEqual(steps[0]["value"][1], "10")  # the evaluation interval is the default step
        self.assertEqual(self.reload("GET")[0], 405)

    def test_a_bad_file_changes_nothing(self):
        at = self.told()[1]
        self.put_text("global:\n  external_labels: {zone: three}\n  no_such_key: 1\n")
        status, text = self.reload()
        self.assertEqual(status, 500)
        self.assertRegex(text, r"^failed to reload config: .*prometheus\.yml:3: .*no_such_key")
        os.unlink(self.path)
        self.assertEqual(self.reload()[0], 500)
        self.assertEqual((self.zone(), self.told()), ("one", (False, at)))
        self.put({"zone": "four"})
        self.assertEqual(self.reload()[0], 200)
        self.assertEqual((self.zone(), self.told()[0]), ("four", True))

    def test_sighup_applies_the_file(self):
        for zone in ("five", "six"):
            self.put({"zone": zone})
            self.server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 10
            while self.zone() != zone and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertEqual(self.zone(), zone)
        self.assertEqual(self.server.stop(), 0)

    def test_only_where_lifecycle_is_enabled(self):
        with programs.Ferula() as server:
            self.assertEqual(server.request("/-/reload", method="POST")[0], 403)


if __name__ == "__main__":
    unittest.main()
