"""prometheus.yml and flags as Prometheus takes them: every configuration judged as by promtool, every flag of
`prometheus --help` known, files that change are noticed."""

import os
import re
import subprocess
import tempfile
import time
import unittest

import config_cases
import differences
import programs


class Case(unittest.TestCase):
    def folder(self):
        folder = tempfile.TemporaryDirectory(prefix="ferula-config-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def put(self, path, text):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def ferula(self, text, *flags):
        self.path = self.put(os.path.join(self.folder(), "prometheus.yml"), text)
        server = programs.Ferula(f"--config.file={self.path}", "--web.enable-lifecycle", *flags)
        self.addCleanup(server.__exit__)
        server.start()
        return server

    def reload(self, server):
        status, _, body = server.request("/-/reload", method="POST")
        return status, body.decode()


class Config(Case):
    maxDiff = None

    def promtool_verdicts(self, cases):
        """{name: accepted} by one run over all files."""
        promtool, folder = programs.peer("sid/promtool"), self.folder()
        paths = {self.put(os.path.join(folder, f"{i}.yml"), text): name for i, (name, text) in enumerate(cases.items())}
        ran = subprocess.run([promtool, "check", "config", *paths], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        parts = re.split(r"^Checking (\S+)$", ran.stdout, flags=re.MULTILINE)
        return {paths[path]: "FAILED" not in text for path, text in zip(parts[1::2], parts[2::2]) if path in paths}

    def test_configurations_are_judged_as_by_promtool(self):
        cases = {**config_cases.GOOD, **config_cases.BAD}
        wanted = {name: name in config_cases.GOOD for name in cases}
        verdicts = self.promtool_verdicts(cases)
        self.assertEqual({n: v for n, v in verdicts.items() if v != wanted[n]}, {})
        self.assertEqual(len(verdicts), len(cases))
        server = self.ferula("")
        wrong = {}
        for name, text in {**cases, **config_cases.NEWER}.items():
            self.put(self.path, text)
            status, body = self.reload(server)
            if (status == 200) != wanted.get(name, True):
                wrong[name] = body
            elif status != 200 and not re.search(r"prometheus\.yml:\d+: ", body):
                wrong[name] = "without a line: " + body
        self.assertEqual(wrong, {})

    def test_aliases_and_merges_mean_what_they_mean_to_prometheus(self):
        text = ("global:\n  scrape_interval: &i 20s\n  evaluation_interval: *i\n  external_labels: &l\n    a: $$1\n"
                "scrape_configs:\n- &base\n  job_name: one\n  scrape_timeout: 7s\n  honor_labels: true\n"
                "- <<: *base\n  job_name: two\n- scrape_timeout: 8s\n  <<: *base\n  job_name: three\n"
                "- <<: [{metrics_path: /first}, {metrics_path: /second}]\n  job_name: four\n")
        seen = []
        with programs.Prometheus(text, suite="sid") as theirs:
            for server in (theirs, self.ferula(text)):
                yaml = server.api("status/config")["yaml"]
                jobs = {re.match(r"\w+", part)[0]: dict(re.findall(r"(scrape_timeout|honor_labels|metrics_path): \"?([\w/]+)", part))
                        for part in self.jobs(yaml)}
                seen.append((re.search(r"evaluation_interval: (\w+)", yaml)[1], re.search(r'a: "?(\$\d)', yaml)[1],
                             [jobs[j].get("scrape_timeout") for j in ("one", "two", "three")], jobs["two"].get("honor_labels"),
                             jobs["four"]["metrics_path"]))
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[1], ("20s", "$1", ["7s", "7s", "7s"], "true", "/first"))

    def jobs(self, yaml):
        """The parts of the text behind `job_name: ` of each job."""
        return re.split(r"^- job_name: ", yaml, flags=re.MULTILINE)[1:]

    def shown(self, server, text):
        """What the server shows of a configuration, or None where it refuses it. One that cannot be put into effect, as where a
        certificate is missing, is shown."""
        self.put(self.path, text)
        status, body = self.reload(server)
        if status != 200 and "while applying" not in body:
            return None
        return differences.normal_config(server.api("status/config")["yaml"])

    def test_what_counts_is_shown_as_by_prometheus(self):
        cases = [*config_cases.GOOD.items(), *config_cases.SHOWN.items()]
        with programs.Prometheus("", "--web.enable-lifecycle", suite="sid") as theirs:
            self.path = theirs.config_path
            with programs.Ferula(f"--config.file={self.path}", "--web.enable-lifecycle") as ours:
                for name, text in cases:
                    with self.subTest(name):
                        wanted = self.shown(theirs, text)
                        self.assertIsNotNone(wanted)
                        self.assertEqual(self.shown(ours, text), wanted)

    def test_secrets_are_not_shown(self):
        texts = [text for text in {**config_cases.GOOD, **config_cases.NEWER}.values() if text.startswith("scrape_configs")]
        secret = "hunter" + "2"
        text = (f"scrape_configs:\n- job_name: a\n  basic_auth: {{username: u, password: {secret}}}\n  proxy_url: http://u:{secret}@p:1\n"
                f"  proxy_connect_header: {{A: [{secret}]}}\n  http_headers: {{X: {{values: [seen], secrets: [{secret}]}}}}\n"
                f"  consul_sd_configs:\n  - {{server: x, token: {secret}}}\n  tls_config: {{key: {secret}, cert: c}}\n"
                f"  ec2_sd_configs:\n  - {{region: r, access_key: a, secret_key: {secret}}}\n"
                f"remote_write:\n- url: http://u:{secret}@x\n  sigv4: {{region: r, access_key: a, secret_key: {secret}}}\n"
                f"- url: http://y\n  oauth2: {{client_id: a, client_secret: {secret}, token_url: 'http://t'}}\n")
        self.assertTrue(texts)
        shown = self.ferula(text).api("status/config")["yaml"]
        self.assertNotIn(secret, shown)
        self.assertIn("seen", shown)
        self.assertIn("http://u:xxxxx@p:1", shown)
        self.assertEqual(shown.count("<secret>"), 8)

    def test_files_of_scrape_configurations_are_read(self):
        server = self.ferula("scrape_config_files: ['more/*.yml']\nscrape_configs:\n- job_name: a\n")
        folder = os.path.join(os.path.dirname(self.path), "more")
        os.mkdir(folder)
        self.put(os.path.join(folder, "one.yml"), "scrape_configs:\n- job_name: b\n")
        self.assertEqual(self.reload(server)[0], 200)
        self.put(os.path.join(folder, "two.yml"), "scrape_configs:\n- job_name: c\n  x: y\n")
        status, text = self.reload(server)
        self.assertEqual(status, 500)
        self.assertRegex(text, r"more/two\.yml:3: field x not found")
        self.put(os.path.join(folder, "two.yml"), "scrape_configs:\n- job_name: a\n")
        self.assertRegex(self.reload(server)[1], r"more/two\.yml:2: found multiple scrape configs with job name \"a\"")

    def test_changed_files_are_noticed(self):
        server = self.ferula("global:\n  external_labels: {z: one}\nrule_files: [r.yml]\n", "--config.auto-reload-interval=1s", "--enable-feature=auto-reload-config")

        def wait(what, seconds=10):
            deadline = time.monotonic() + seconds
            while not what():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)

        def at():
            return server.api("status/runtimeinfo")["lastConfigTime"]

        def ok():
            return server.api("status/runtimeinfo")["reloadConfigSuccess"]

        self.put(self.path, "global:\n  external_labels: {z: two}\nrule_files: [r.yml]\n")
        wait(lambda: "two" in server.api("status/config")["yaml"])
        before = at()
        self.put(os.path.join(os.path.dirname(self.path), "r.yml"), "groups: []\n")
        wait(lambda: at() != before)
        self.put(self.path, "glob: {}\n")
        wait(lambda: not ok())
        self.assertIn("two", server.api("status/config")["yaml"])
        self.put(self.path, "global:\n  external_labels: {z: three}\n")
        wait(ok)
        self.assertIn("three", server.api("status/config")["yaml"])
        last = at()
        time.sleep(1.5)
        self.assertEqual(at(), last)  # what has not changed is not loaded again


# Of Debian's build alone, or of the agent, which Ferula is not: refused as Prometheus refuses them in its server.
AGENT = re.compile(r"^(agent|storage\.agent\..*)$")


class Flags(Case):
    def help(self, program, how="--help"):
        ran = subprocess.run([program, how], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return ran.returncode, ran.stdout

    def flags_of(self, text):
        """{name: whether it takes no value} of the lines that begin a flag."""
        found = re.findall(r"^ {2,6}(?:-\w, +)?--(\[no-\])?([\w.-]+)", text, re.MULTILINE)
        return {name: bool(no) for no, name in found}

    def test_every_flag_of_prometheus_is_known_and_says_whether_it_does_anything(self):
        theirs = {}
        for how in ("--help", "--help-long"):
            theirs.update(self.flags_of(self.help(programs.peer("sid/prometheus"), how)[1]))
        status, text = self.help(os.environ.get("FERULA", "build/ferula"))
        ours = self.flags_of(text)
        self.assertEqual(status, 0)
        self.assertGreater(len(theirs), 40)
        self.assertEqual({n for n in theirs if n not in ours and not AGENT.match(n)}, set())
        self.assertEqual({n for n in theirs if n in ours and theirs[n] != ours[n] and n not in ("help", "version")}, set())

    def test_flags_without_effect_are_named_in_the_log(self):
        text = self.help(os.environ.get("FERULA", "build/ferula"))[1]
        idle = re.findall(r"--(?:\[no-\])?([\w.-]+)(?:=\S*)?\n[^-]*?\(no effect yet\)", text)
        self.assertIn("rules.max-concurrent-evals", idle)
        sample = {"rules.max-concurrent-evals": "5", "web.user-assets": "/x", "web.console.templates": "/x", "web.console.libraries": "/y"}
        server = self.ferula("", *(f"--{name}={value}" for name, value in sample.items()))
        line = next(line for line in server.log().splitlines() if "no effect" in line)
        for name in sample:
            self.assertIn(f"--{name}", line)

    def test_the_log_tells_what_starts_and_why_it_ends(self):
        server = self.ferula("{}", "--enable-feature=old-ui,nonsense,search-api")
        first = server.log().splitlines()[0]
        for part in ("Starting Ferula", "version=", "memory_limit_bytes=", f"config={self.path}"):
            self.assertIn(part, server.log())
        self.assertRegex(first, 'level=WARN .*have no effect" features="old-ui, nonsense"')
        self.assertRegex(server.log(), f'msg="Completed loading of configuration file" filename={self.path}')
        self.assertEqual(server.request("/-/quit", method="POST")[0], 200)
        self.assertEqual(server.process.wait(10), 0)
        self.assertIn("Asked to stop by /-/quit", server.log())
        server.process = None

    def test_a_start_that_fails_has_the_exit_code_of_prometheus(self):
        folder = self.folder()
        good, bad = self.put(os.path.join(folder, "good.yml"), "{}\n"), self.put(os.path.join(folder, "bad.yml"), "nonsense: 1\n")
        theirs, ours = programs.peer("sid/prometheus"), os.environ.get("FERULA", os.path.join(programs.ROOT, "build", "ferula"))

        def code(program, flags):
            ran = subprocess.run([program, "--web.listen-address=127.0.0.1:0", *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 cwd=folder, timeout=20)
            return ran.returncode

        for flags, config in ((["--config.file=/nonexistent.yml"], []), ([f"--config.file={bad}"], []), ([f"--config.file={folder}"], []),
                              (["--web.external-url=:x"], good), (["--web.external-url=10.0.0.1:9090"], good), (["--web.cors.origin=("], good),
                              (["--web.config.file=/nonexistent.yml"], good)):
            whole = [*flags, *([f"--config.file={config}"] if config else [])]
            self.assertEqual(code(ours, whole), code(theirs, whole), whole)
        os.rename(bad, os.path.join(folder, "prometheus.yml"))  # read without a flag
        self.assertEqual((code(ours, []), code(theirs, [])), (2, 2))

    def test_flags_of_the_agent_are_refused_as_by_prometheus(self):
        theirs, ours = programs.peer("sid/prometheus"), os.environ.get("FERULA", "build/ferula")
        for flags in (["--storage.agent.path=/x"], ["--storage.agent.retention.min-time=1h"]):
            codes = [subprocess.run([program, *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.folder()).returncode
                     for program in (theirs, ours)]
            self.assertEqual(codes, [3, 3], flags)
        ran = subprocess.run([ours, "--agent"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(ran.returncode, 3)
        self.assertIn("agent", ran.stdout)


if __name__ == "__main__":
    unittest.main()
