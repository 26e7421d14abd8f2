"""npm's @grafana/prometheus, Grafana's own datasource, driven without a browser against Ferula and Prometheus 3.5: it makes the
same of both; where npm cannot give it, the sequences of test_clients stand for it."""

import json
import os
import subprocess
import time
import unittest

import programs
import remote

SCRIPT = os.path.join(programs.ROOT, "testdata", "e2e", "grafana_headless.cjs")


class Grafana(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        modules, missing = programs.npm_modules("grafana")
        if modules is None:
            raise unittest.SkipTest(f"@grafana/prometheus: {missing}")
        cls.folder = os.path.dirname(modules)

    def run_on(self, server, end):
        for job in ("a", "b"):
            up = remote.series({"__name__": "up", "job": job, "instance": "x:1"}, [((end - 60 * k) * 1000, 1) for k in range(30, -1, -1)])
            self.assertEqual(remote.write(server, up)[0], 204)
        ran = subprocess.run(["node", SCRIPT, self.folder, server.url, str(end)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, timeout=120)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        told = json.loads(ran.stdout.splitlines()[-1])
        self.assertNotIn("failed", told)
        return told

    def test_the_datasource_makes_the_same_of_both(self):
        end = int(time.time()) - 60
        with programs.Ferula() as ours, programs.Prometheus("", "--web.enable-remote-write-receiver", suite="sid") as theirs:
            a, b = self.run_on(ours, end), self.run_on(theirs, end)
        if os.environ.get("FERULA_API_PRINT"):
            print(json.dumps(a, indent=1))
        self.assertEqual(a["steps"].keys(), b["steps"].keys())
        self.assertEqual(a["errors"].keys(), b["errors"].keys())
        self.assertEqual(a["steps"], b["steps"])
        self.assertEqual(sorted(map(tuple, a["asked"])), sorted(map(tuple, b["asked"])))
        self.assertGreaterEqual(len(a["steps"]), 8)
        self.assertEqual({status for _, _, status in a["asked"]}, {200})


if __name__ == "__main__":
    unittest.main()
