"""The server as browsers, probes and operators meet it: origins, prefixes, notifications, the checks of health."""

import http.client
import json
import os
import signal
import tempfile
import time
import unittest

import programs

FOREIGN = {"Origin": "http://evil.example"}


class Web(unittest.TestCase):
    def start(self, *flags, **more):
        server = programs.Ferula(*flags, **more)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def test_other_origins_read_only_where_allowed(self):
        closed, opened = self.start(), self.start("--web.cors.origin=https?://(good|fine)\\.example")
        for server, origin, allowed in ((closed, "http://good.example", False), (opened, "http://good.example", True),
                                        (opened, "https://fine.example", True), (opened, "http://evil.example", False),
                                        (opened, "http://good.example.evil", False)):
            for method in ("GET", "OPTIONS"):
                status, headers, _ = server.request("/api/v1/query", [("query", "1")], method, headers={"Origin": origin})
                self.assertEqual(status, 204 if method == "OPTIONS" else 200)
                self.assertEqual(headers["Access-Control-Allow-Origin"], origin if allowed else None)
                self.assertEqual("Origin" in (headers.get_all("Vary") or []), server is opened)

    def test_other_origins_change_nothing(self):
        server = self.start("--web.enable-lifecycle", "--web.enable-admin-api", "--web.external-url=https://prom.example/")
        own = {"Origin": server.url}
        outside = {"Origin": "https://prom.example"}
        for path in ("/-/quit", "/-/reload", "/api/v1/admin/tsdb/snapshot", "/api/v1/admin/tsdb/delete_series", "/api/v1/write"):
            for method in ("POST", "PUT"):
                status, _, _ = server.request(path, method=method, headers=FOREIGN, body=b"")
                self.assertEqual(status, 405 if (method, path) == ("PUT", "/api/v1/write") else 403, (method, path))
        for headers in (own, outside, {}):
            self.assertEqual(server.request("/-/reload", method="POST", headers=headers)[0], 200)
            self.assertEqual(server.request("/api/v1/query?query=1", headers=FOREIGN)[0], 200)

    def test_a_prefix_by_flag_or_url(self):
        for flags, prefix in ((["--web.route-prefix=/prom"], "/prom"), (["--web.external-url=http://x.example/a/b/"], "/a/b"),
                              (["--web.external-url=http://x.example/a", "--web.route-prefix=/"], "")):
            server = programs.Ferula(*flags)
            self.addCleanup(server.__exit__)
            server.ready_path = prefix + "/-/ready"
            server.start()
            for path in ("/-/healthy", "/-/ready", "/metrics", "/api/v1/query?query=1", "/federate", "/"):
                self.assertEqual(server.request(prefix + path)[0], 200, prefix + path)
                if prefix and path != "/":
                    self.assertEqual(server.request(path)[0], 404, path)
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            connection.request("GET", "/")
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.getheader("Location")), (302, prefix) if prefix else (200, None))
            answer.read()
            connection.close()

    def test_the_title_of_the_page(self):
        page = self.start("--web.page-title=A & <b>").request("/")[2]
        self.assertIn(b"<title>A &amp; &lt;b></title>", page)

    def test_bad_flags_stop_the_start(self):
        for flag, text in (("--web.cors.origin=(", "--web.cors.origin: error parsing regexp"), ("--web.external-url='x'", "must not begin or end with quotes")):
            with self.assertRaises(AssertionError) as caught:
                self.start(flag)
            self.assertIn(text, str(caught.exception))

    def test_notifications_as_they_happen(self):
        with tempfile.TemporaryDirectory(prefix="ferula-web-") as folder:
            path = os.path.join(folder, "prometheus.yml")

            def put(text):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)

            put("{}")
            server = self.start(f"--config.file={path}", "--web.enable-lifecycle", "--web.max-notifications-subscribers=1")
            self.assertEqual(server.api("notifications"), [])
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", "/api/v1/notifications/live")
            events = connection.getresponse()
            self.assertEqual((events.status, events.getheader("Content-Type"), events.getheader("Cache-Control")),
                             (200, "text/event-stream", "no-cache"))
            self.assertEqual(server.request("/api/v1/notifications/live")[0], 204)

            def event():
                line, blank = events.readline(), events.readline()
                self.assertEqual((line[:6], blank), (b"data: ", b"\n"))
                told = json.loads(line[6:])
                return told["text"], told["active"]

            failed = "Configuration reload has failed."
            put("nonsense: 1")
            self.assertEqual(server.request("/-/reload", method="POST")[0], 500)
            self.assertEqual(event(), (failed, True))
            told = server.api("notifications")
            self.assertEqual([(n["text"], n["active"]) for n in told], [(failed, True)])
            put("{}")
            self.assertEqual(server.request("/-/reload", method="POST")[0], 200)
            self.assertEqual(event(), (failed, False))
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(event(), ("Ferula is shutting down and gracefully stopping all operations.", True))
            self.assertEqual(events.read(), b"")
            self.assertEqual(server.process.wait(10), 0)
            self.assertLess(time.monotonic() - began, 5)
            connection.close()
            server.process = None


if __name__ == "__main__":
    unittest.main()
