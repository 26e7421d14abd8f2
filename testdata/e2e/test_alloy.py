"""Requests as Grafana Alloy sends them (testdata/alloy, made by its make.py), byte for byte over one connection."""

import http.client
import json
import os
import socket
import unittest

import programs
import remote

FOLDER = os.path.join(programs.ROOT, "testdata", "alloy")


class Alloy(unittest.TestCase):
    def test_all_requests(self):
        with open(os.path.join(FOLDER, "expected.json"), encoding="ascii") as file:
            expected = json.load(file)
        with programs.Ferula("--enable-feature=exemplar-storage") as server:
            with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
                for want in expected["requests"]:
                    with open(os.path.join(FOLDER, want["file"]), "rb") as file:
                        connection.sendall(file.read())
                    answer = http.client.HTTPResponse(connection, method="POST")
                    answer.begin()
                    body, written = answer.read(), remote.written(answer.headers)
                    self.assertEqual((answer.status, body, want["written"] and tuple(want["written"])), (want["status"], b"", written), want["file"])
            for restarted in (False, True):
                if restarted:
                    server.kill()
                    server.start()
                for q in expected["queries"]:
                    found = server.instant(q["query"], time=q["time"])
                    self.assertEqual([s["value"][1] for s in found], [q["value"]], q)
                exemplars = server.api("query_exemplars", query="node_cpu_seconds_total", start=0, end=4e9)
                self.assertEqual(sum(len(s["exemplars"]) for s in exemplars), expected["exemplars"])
                if not restarted:
                    kinds = {name: entries[0]["type"] for name, entries in server.api("metadata").items()}
                    self.assertEqual({**kinds, **expected["metadata"]}, kinds)


if __name__ == "__main__":
    unittest.main()
