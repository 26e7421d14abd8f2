"""Programs under test: starts and stops Ferula and its peers, and asks them questions over HTTP.

    with programs.Ferula() as server:
        server.instant("up")            # the data of /api/v1/query
        server.kill(); server.start()   # a crash, and again on the same directory and port

FERULA names the binary under test (build/ferula by default). Peers come from dev.d/peers; where one
cannot be had, `peer()` skips the calling test with the reason. Only the standard library is used.
"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def peer(name):
    """The path of a peer's binary, e.g. peer("sid/promtool"); skips the test where it cannot be had."""
    ran = subprocess.run(
        [os.path.join(ROOT, "dev.d", "peers"), name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if ran.returncode != 0:
        raise unittest.SkipTest(f"{name} cannot be had: {ran.stderr.strip()}")
    return ran.stdout.strip()


def promtool_dump(promtool, folder):
    """`promtool tsdb dump` of a data directory, as subprocess.run() gives it. 2.53 reads only what lies where it looks by
    default: a folder "data" where it runs."""
    with tempfile.TemporaryDirectory(prefix="promtool-e2e-") as here:
        os.symlink(os.path.abspath(folder), os.path.join(here, "data"))
        return subprocess.run([promtool, "tsdb", "dump"], check=True, cwd=here, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A server process on a loopback port. Its log goes to a file that `log()` returns."""

    ready_path = "/-/ready"

    def __init__(self, command, port):
        self.command = command
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = None
        self._log = tempfile.TemporaryFile()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()
        self._log.close()

    def start(self, timeout=30):
        """Starts the process and waits until it is ready; its log is in the error where it is not."""
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.command[0]} ended at once:\n{self.log()}")
            try:
                with urllib.request.urlopen(self.url + self.ready_path, timeout=2):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError(f"{self.command[0]} not ready:\n{self.log()}") from None
            time.sleep(0.02)

    def stop(self, timeout=30):
        """SIGTERM, as an init system would; returns the exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.command[0]} ignored SIGTERM:\n{self.log()}") from None

    def kill(self):
        process, self.process = self.process, None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def log(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def request(self, path, params=(), method="GET", body=None, headers=None):
        """Returns (status, headers, body); an error status is returned like any other."""
        url = self.url + path
        if params:
            url += "?" + urllib.parse.urlencode(params, doseq=True)
        request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def api(self, path, **params):
        """The `data` of an API call; an error of the API is an assertion."""
        status, _, body = self.request("/api/v1/" + path, [(k, v) for k, v in params.items()])
        answer = json.loads(body)
        if status != 200 or answer["status"] != "success":
            raise AssertionError(f"{path} {params}: {status} {answer}")
        return answer["data"]

    def instant(self, query, **params):
        return self.api("query", query=query, **params)["result"]

    def range(self, query, start, end, step, **params):
        return self.api("query_range", query=query, start=start, end=end, step=step, **params)["result"]


class Ferula(Program):
    def __init__(self, *flags, data=None):
        port = free_port()
        self._temporary = None if data else tempfile.mkdtemp(prefix="ferula-e2e-")
        self.data = data or self._temporary
        binary = os.environ.get("FERULA", os.path.join(ROOT, "build", "ferula"))
        super().__init__(
            [
                binary,
                f"--web.listen-address=127.0.0.1:{port}",
                f"--storage.tsdb.path={self.data}",
                "--web.enable-remote-write-receiver",
                *flags,
            ],
            port,
        )

    def fail_writes(self, fail=True):
        """From now on no byte can be written to a file (EFBIG), or again as many as before."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (0 if fail else hard, hard))

    def __exit__(self, *exc):
        super().__exit__(*exc)
        if self._temporary:
            shutil.rmtree(self._temporary)


class Prometheus(Program):
    """`config` is the text of prometheus.yml; `suite` is release or sid. A config that names the
    port Prometheus is to listen on passes it as `port`."""

    def __init__(self, config="", *flags, suite="release", data=None, port=None):
        port = port or free_port()
        self._folder = tempfile.mkdtemp(prefix="prometheus-e2e-")
        self.data = data or os.path.join(self._folder, "data")
        self.config_path = path = os.path.join(self._folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config)
        super().__init__(
            [
                peer(f"{suite}/prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={self.data}",
                f"--web.listen-address=127.0.0.1:{port}",
                *flags,
            ],
            port,
        )

    def reload(self, config):
        """Takes another configuration; wants --web.enable-lifecycle."""
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config)
        status, _, text = self.request("/-/reload", method="POST")
        if status != 200:
            raise AssertionError(f"reload: {status} {text}")

    def __exit__(self, *exc):
        super().__exit__(*exc)
        shutil.rmtree(self._folder)


class NodeExporter(Program):
    ready_path = "/metrics"

    def __init__(self, *flags):
        port = free_port()
        super().__init__(
            [peer("release/node-exporter"), f"--web.listen-address=127.0.0.1:{port}", *flags], port
        )


def npm_modules(name):
    """The folder with the node modules of testdata/e2e/NAME, and None; or None, and why they cannot be had."""
    ran = subprocess.run([os.path.join(ROOT, "dev.d", "npm"), name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, check=False)
    return (ran.stdout.strip(), None) if ran.returncode == 0 else (None, f"it cannot be had from npm: {ran.stderr.strip()}")
