"""--web.config.file: the cases of testdata/web_config/cases.json, and one file for Ferula and Prometheus 3.5 at once: what
starts, who gets in, what is answered. Both read it again for each connection, so one pair of servers sees many files."""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import certificates
import programs

FERULATOOL = os.environ.get("FERULATOOL", os.path.join(programs.ROOT, "build", "ferulatool"))
CASES = os.path.join(programs.ROOT, "testdata", "web_config", "cases.json")

# "fakepassword", "secret"
HASH_10 = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"
CLIENTS_CA = TLS + "  client_ca_file: ca.pem\n"
USERS = f"basic_auth_users:\n  dave: {HASH_10}\n"
HEADERS = "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n" \
          "    X-XSS-Protection: \"1\"\n    Strict-Transport-Security: max-age=31536000\n" \
          "    Content-Security-Policy: frame-ancestors 'none'\n"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Folder:
    """Certificates and web.yml."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="ferula-web-config-")
        certificates.make(self.path)

    def file(self, name):
        return os.path.join(self.path, name)

    def put(self, text, name="web.yml"):
        """Whole or not at all, as tools that rotate files do."""
        with open(self.file(name) + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.file(name) + ".new", self.file(name))
        return self.file(name)

    def inline(self, name):
        """A file's text for one line of YAML."""
        with open(self.file(name), encoding="utf-8") as file:
            return json.dumps(file.read())


def launch(program):
    """Starts a server that readiness by plain HTTP cannot be asked of."""
    program.process = subprocess.Popen(program.command, stdin=subprocess.DEVNULL, stdout=program._log,
                                       stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if program.process.poll() is not None:
            raise AssertionError(f"ended at once:\n{program.log()}")
        try:
            socket.create_connection(("127.0.0.1", program.port), 2).close()
            if "ready to receive web requests" in program.log():
                return program
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"not ready:\n{program.log()}")


def client(folder, cert=None, trusts="ca.pem", **settings):
    """A TLS client that trusts the test CA and may show a certificate."""
    context = ssl.create_default_context(cafile=folder.file(trusts))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on; rsa.pem is simpler than that
    if cert:
        context.load_cert_chain(folder.file(cert + ".pem"), folder.file(cert + ".key"))
    for name, value in settings.items():
        if name == "ciphers":
            context.set_ciphers(value)
        elif name == "curve":
            context.set_ecdh_curve(value)
        else:
            setattr(context, name, value)
    return context


class Connection:
    def __init__(self, port, context=None):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.socket.close()

    def ask(self, path="/-/healthy", method="GET", authorization=None):
        """(status, headers by name in small letters, body)."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        if authorization is not None:
            lines.append(f"Authorization: {authorization}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        status = int(self.file.readline().split()[1])
        headers = {}
        while (line := self.file.readline().decode().rstrip()):
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers, self.file.read(int(headers.get("content-length", 0)))


def outcome(port, context):
    """How far a client gets: (version, cipher), or the reason why not."""
    try:
        with Connection(port, context) as c:
            status = c.ask()[0]
            return (c.socket.version(), c.socket.cipher()[0]) if status == 200 else status
    except ssl.SSLError as error:
        return error.reason
    except (OSError, IndexError) as error:
        return type(error).__name__


class Files(unittest.TestCase):
    """Good and bad files."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder.path)
        with open(CASES, encoding="utf-8") as file:
            cls.cases = json.load(file)
        cls.paths = []
        for i, case in enumerate(cls.cases):
            text = case["file"]
            for name in ("cert", "key"):
                text = text.replace("{" + name + "}", cls.folder.inline(name + ".pem"))
            cls.paths.append(cls.folder.put(text, f"case{i}.yml"))

    def check(self, tool):
        ran = subprocess.run([tool, "check", "web-config", *self.paths], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        self.assertEqual((ran.returncode, ran.stdout), (1, ""))
        found, at = [], 0
        for path, following in zip(self.paths, self.paths[1:] + [None]):
            end = len(ran.stderr) if following is None else ran.stderr.index(following + " ", at)
            found.append(ran.stderr[at:end].removeprefix(path + " ").rstrip("\n"))
            at = end
        return found

    def test_every_case_has_its_verdict(self):
        for case, verdict in zip(self.cases, self.check(FERULATOOL)):
            with self.subTest(case["name"]):
                error = case["error"]
                want = "SUCCESS" if error is None else "FAILED: " + error.replace("{dir}", self.folder.path)
                self.assertEqual(verdict, want)

    def test_promtool_says_the_same(self):
        verdicts = zip(self.cases, self.check(FERULATOOL), self.check(programs.peer("sid/promtool")))
        for case, ours, theirs in verdicts:
            with self.subTest(case["name"]):
                self.assertEqual(ours, theirs)

    def test_a_wrong_file_ends_the_start(self):
        """Exit code 1, and the toolkit's text in the log; ours with file and line."""
        for name in ("unknown key", "key of another certificate", "a password in the open", "a foreign header"):
            i = [case["name"] for case in self.cases].index(name)
            flag = f"--web.config.file={self.paths[i]}"
            said = self.cases[i]["error"].splitlines()[-1].strip().replace('"', '\\"')
            for server in (programs.Ferula(flag), programs.Prometheus("", flag, suite="sid")):
                self.addCleanup(server.__exit__)
                with self.subTest(name, server=server.command[0]):
                    status, log = self.refused(server)
                    self.assertEqual(status, 1)
                    self.assertIn("Unable to validate web configuration file", log)
                    self.assertIn(said, log)
                    if isinstance(server, programs.Ferula) and name == "unknown key":
                        self.assertIn(f"{self.paths[i]}:4: ", log)

    def test_a_missing_file_ends_the_start(self):
        server = programs.Ferula("--web.config.file=/nowhere/web.yml")
        self.addCleanup(server.__exit__)
        status, log = self.refused(server)
        self.assertEqual(status, 1)
        self.assertIn("open /nowhere/web.yml: no such file or directory", log)

    @staticmethod
    def refused(server):
        """(exit status, log) of a server that does not start."""
        ran = subprocess.run(server.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=30)
        return ran.returncode, ran.stdout


class Both(unittest.TestCase):
    """Ferula and Prometheus 3.5 with the same web.config.file, which starts with `first`."""

    first = ""

    @classmethod
    def setUpClass(cls):
        if cls is Both:
            raise unittest.SkipTest("the base of others")
        cls.folder = Folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder.path)
        flag = "--web.config.file=" + cls.folder.put(cls.first)
        cls.ferula = programs.Ferula(flag)
        cls.prometheus = programs.Prometheus("", flag, suite="sid")
        for server in (cls.ferula, cls.prometheus):
            cls.addClassCleanup(server.__exit__)
            launch(server)

    def on_both(self, f):
        return f(self.ferula.port), f(self.prometheus.port)


class Plain(Both):
    """Passwords and headers without TLS."""

    first = USERS + HEADERS

    def asked(self, **request):
        def ask(port):
            with Connection(port) as c:
                status, headers, body = c.ask(**request)
                names = ("www-authenticate", "x-frame-options", "x-content-type-options", "x-xss-protection",
                         "strict-transport-security", "content-security-policy")
                return status, {n: headers.get(n) for n in names}, body.replace(b"Ferula", b"Prometheus Server")
        ours, theirs = self.on_both(ask)
        self.assertEqual(ours, theirs)
        return ours

    def setUp(self):
        self.folder.put(self.first)

    def test_who_is_let_in(self):
        cases = [
            (None, 401), (basic("dave", "fakepassword"), 200), (basic("dave", "wrong"), 401), (basic("eve", "fakepassword"), 401),
            (basic("", ""), 401), (basic("dave", ""), 401), (basic("Dave", "fakepassword"), 401), ("Basic x", 401), ("", 401),
            ("Bearer abc", 401), (basic("dave", "fakepassword").replace("Basic", "bAsIc"), 200),
            (basic("dave", "fakepassword\0x"), 401), (basic("dave", "fakepassword ") , 401),
        ]
        for authorization, want in cases:
            for _ in range(2):  # the second time it is remembered
                with self.subTest(authorization):
                    status, headers, body = self.asked(authorization=authorization)
                    self.assertEqual(status, want)
                    self.assertEqual(headers["www-authenticate"], "Basic" if want == 401 else None)
                    self.assertEqual(headers["x-frame-options"], "deny")
                    if want == 401:
                        self.assertEqual(body, b"Unauthorized\n")

    def test_every_path_asks(self):
        for path in ("/", "/metrics", "/api/v1/query?query=1", "/api/v1/write", "/nowhere", "/-/ready"):
            for method in ("GET", "POST", "OPTIONS", "PUT"):
                with self.subTest(path, method=method):
                    self.assertEqual(self.asked(path=path, method=method)[0], 401)

    def test_headers_are_on_every_answer(self):
        right = basic("dave", "fakepassword")
        for path in ("/-/ready", "/metrics", "/api/v1/query?query=(", "/api/v1/nowhere"):
            def frame(port):
                with Connection(port) as c:
                    headers = c.ask(path, authorization=right)[1]
                    return headers["x-frame-options"], headers["content-security-policy"]
            with self.subTest(path):
                self.assertEqual(self.on_both(frame), (("deny", "frame-ancestors 'none'"),) * 2)

    def test_a_change_is_in_force_at_once(self):
        right = basic("dave", "fakepassword")
        self.assertEqual(self.asked(authorization=right)[0], 200)
        self.folder.put(USERS.replace("dave", "carol"))
        self.assertEqual(self.asked(authorization=right)[0], 401)
        status, headers, _ = self.asked(authorization=basic("carol", "fakepassword"))
        self.assertEqual((status, headers["x-frame-options"]), (200, None))
        self.folder.put("")
        self.assertEqual(self.asked()[0], 200)

    def test_a_wrong_file_lets_nobody_in(self):
        right = basic("dave", "fakepassword")
        for text in ("junk", USERS + "x: 1\n"):
            self.folder.put(text)
            status, headers, body = self.asked(authorization=right)
            self.assertEqual((status, headers["x-frame-options"], body), (500, None, b"Internal Server Error\n"))
        os.unlink(self.folder.file("web.yml"))
        self.assertEqual(self.asked(authorization=right)[0], 500)
        self.folder.put(self.first)
        self.assertEqual(self.asked(authorization=right)[0], 200)
        self.assertIn("Unable to parse configuration", self.ferula.log())


class Limited(Both):
    """The rate limit, which both take from the file at the start alone."""

    first = "rate_limit:\n  interval: 1h\n  burst: 3\n"

    def test_only_so_many_requests_are_served(self):
        def ask(port):
            with Connection(port) as c:
                return [(status, body if status != 200 else b"") for status, _, body in (c.ask() for _ in range(5))]
        ours, theirs = self.on_both(ask)
        self.assertEqual(ours, theirs)
        self.assertEqual(ours, [(200, b"")] * 3 + [(429, b"Too Many Requests\n")] * 2)


class Handshakes(Both):
    """Which clients get in by which file."""

    first = TLS

    def meet(self, text, context, want=None):
        """Both let the client in with the same version and cipher, or both do not."""
        self.folder.put(text)
        ours, theirs = self.on_both(lambda port: outcome(port, context))
        self.assertEqual(isinstance(ours, tuple), isinstance(theirs, tuple), (ours, theirs))
        if isinstance(want, str):
            self.assertIn(want, ours)
        elif want is not None:
            self.assertEqual(ours, want)
        if isinstance(ours, tuple):
            self.assertEqual(ours[0], theirs[0])
        return ours, theirs

    def test_versions(self):
        v = ssl.TLSVersion
        names = {"TLS10": "TLSv1", "TLS11": "TLSv1.1", "TLS12": "TLSv1.2", "TLS13": "TLSv1.3"}
        numbers = {"TLS10": v.TLSv1, "TLS11": v.TLSv1_1, "TLS12": v.TLSv1_2, "TLS13": v.TLSv1_3}
        for low, high, asked in [("TLS12", "TLS13", "TLS13"), ("TLS12", "TLS13", "TLS12"), ("TLS12", "TLS13", "TLS11"),
                                 ("TLS13", "TLS13", "TLS12"), ("TLS12", "TLS12", "TLS13"), ("TLS10", "TLS13", "TLS10"),
                                 ("TLS11", "TLS13", "TLS11"), ("TLS10", "TLS11", "TLS12")]:
            with self.subTest(f"{low} to {high}, asked for {asked}"):
                context = client(self.folder, ciphers="ALL:@SECLEVEL=0", minimum_version=numbers[asked], maximum_version=numbers[asked])
                ours, _ = self.meet(TLS + f"  min_version: {low}\n  max_version: {high}\n", context)
                if low <= asked <= high:
                    self.assertEqual(ours[0], names[asked])
                else:
                    self.assertIsInstance(ours, str)

    def test_ciphers(self):
        v12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
        suites = TLS + "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
        self.meet(suites, client(self.folder, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **v12),
                  ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"))
        self.meet(suites, client(self.folder, ciphers="ECDHE-ECDSA-CHACHA20-POLY1305", **v12), "HANDSHAKE_FAILURE")
        self.meet(suites, client(self.folder, ciphers="ECDHE-ECDSA-AES128-SHA", **v12), "HANDSHAKE_FAILURE")
        both = client(self.folder, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384", **v12)
        ours, _ = self.meet(suites, both)
        self.assertEqual(ours[1], "ECDHE-ECDSA-AES256-GCM-SHA384")  # the server prefers; Go has its own order
        ours, _ = self.meet(suites + "  prefer_server_cipher_suites: false\n", both)
        self.assertEqual(ours[1], "ECDHE-ECDSA-AES128-GCM-SHA256")
        self.meet(suites, client(self.folder), None)  # TLS 1.3 has its own
        self.meet(TLS + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", client(self.folder, **v12))

    def test_curves(self):
        one = TLS + "  curve_preferences: [CurveP521]\n"
        ours, _ = self.meet(one, client(self.folder, curve="secp521r1"))
        self.assertIsInstance(ours, tuple)
        self.meet(one, client(self.folder, curve="secp384r1"), "HANDSHAKE_FAILURE")

    def test_rsa(self):
        ours, _ = self.meet("tls_server_config:\n  cert_file: rsa.pem\n  key_file: rsa.key\n", client(self.folder, trusts="rsa.pem"))
        self.assertIsInstance(ours, tuple)

    def test_certificates_of_clients(self):
        """Which policy lets in who shows nothing, a certificate of the CA, and one of nobody."""
        policies = {
            "NoClientCert": (True, True, True),
            "RequestClientCert": (True, True, True),
            "RequireAnyClientCert": (False, True, True),
            "RequireClientCert": (False, True, True),
            "VerifyClientCertIfGiven": (True, True, False),
            "RequireAndVerifyClientCert": (False, True, False),
        }
        for policy, lets_in in policies.items():
            file = (TLS if policy == "NoClientCert" else CLIENTS_CA) + f"  client_auth_type: {policy}\n"
            for cert, want in zip((None, "client", "stranger"), lets_in):
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    with self.subTest(policy, cert=cert, version=version.name):
                        ours, theirs = self.meet(file, client(self.folder, cert, maximum_version=version))
                        self.assertEqual(isinstance(ours, tuple), want, (ours, theirs))

    def test_names_of_clients(self):
        for policy in ("RequireAndVerifyClientCert", "RequestClientCert"):
            for name, want in [("client.example", True), ("me@example.org", True), ("10.1.2.3", True), ("spiffe://example/client", True),
                               ("example", False), ("Client.example", False), ("client", False)]:
                with self.subTest(name, policy=policy):
                    file = CLIENTS_CA + f"  client_auth_type: {policy}\n  client_allowed_sans: [other, \"{name}\"]\n"
                    ours, theirs = self.meet(file, client(self.folder, "client"))
                    self.assertEqual(isinstance(ours, tuple), want, (ours, theirs))
            if policy == "RequestClientCert":
                self.assertIsInstance(self.meet(file, client(self.folder))[0], str)  # who shows nothing has no name

    def test_plain_http_is_told_so(self):
        def plain(port):
            with socket.create_connection(("127.0.0.1", port), 10) as s:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                said = b""
                while (more := s.recv(4096)):
                    said += more
                return said
        ours, theirs = self.on_both(plain)
        self.assertEqual(ours, theirs)
        self.assertTrue(ours.endswith(b"Client sent an HTTP request to an HTTPS server.\n"))

    def test_a_wrong_file_lets_nobody_in(self):
        self.assertIsInstance(self.meet(TLS, client(self.folder))[0], tuple)
        self.assertIsInstance(self.meet("junk", client(self.folder))[0], str)
        self.assertIsInstance(self.meet("", client(self.folder))[0], str)  # TLS cannot be left while running
        self.assertIsInstance(self.meet(TLS, client(self.folder))[0], tuple)

    def test_certificates_are_renewed_under_connections(self):
        self.folder.put(TLS)
        context = client(self.folder)
        for server in (self.ferula, self.prometheus):
            with Connection(server.port, context) as before:
                old = before.socket.getpeercert(True)
                self.assertEqual(before.ask()[0], 200)
                certificates.server(self.folder.path, "next.pem", "next.key")
                os.rename(self.folder.file("next.pem"), self.folder.file("cert.pem"))
                if server is self.ferula:  # half done: the last pair stays. Prometheus refuses.
                    with Connection(server.port, context) as between:
                        self.assertEqual(between.socket.getpeercert(True), old)
                os.rename(self.folder.file("next.key"), self.folder.file("key.pem"))
                with Connection(server.port, context) as after:
                    self.assertNotEqual(after.socket.getpeercert(True), old)
                    self.assertEqual(after.ask()[0], 200)
                self.assertEqual(before.ask()[0], 200)
        self.assertIn("Unable to read the TLS certificate again", self.ferula.log())

    def test_errors_are_counted(self):
        self.folder.put(TLS + "  min_version: TLS13\n")
        outcome(self.ferula.port, client(self.folder, maximum_version=ssl.TLSVersion.TLSv1_2))
        with Connection(self.ferula.port, client(self.folder)) as c:
            page = c.ask("/metrics")[2].decode()
        count = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("ferula_tls_")}
        self.assertGreater(count["ferula_tls_handshakes_total"], 0)
        self.assertGreater(count['ferula_tls_handshake_errors_total{reason="protocol"}'], 0)


class Users(unittest.TestCase):
    """promtool and a Prometheus that scrapes Ferula and writes into it, by TLS and password."""

    def test_clients_by_tls_and_password(self):
        folder = Folder()
        self.addCleanup(shutil.rmtree, folder.path)
        flag = "--web.config.file=" + folder.put(CLIENTS_CA + "  client_auth_type: RequireAndVerifyClientCert\n" + USERS)
        ferula = programs.Ferula(flag)
        self.addCleanup(ferula.__exit__)
        launch(ferula)
        http = {
            "basic_auth": {"username": "dave", "password": "fakepassword"},
            "tls_config": {"ca_file": folder.file("ca.pem"), "cert_file": folder.file("client.pem"),
                           "key_file": folder.file("client.key"), "server_name": "localhost"},
        }
        url = f"https://localhost:{ferula.port}"
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "ferula", "scheme": "https", "static_configs": [{"targets": [f"localhost:{ferula.port}"]}], **http}],
            "remote_write": [{"url": url + "/api/v1/write", "queue_config": {"batch_send_deadline": "200ms"}, **http}],
        }
        prometheus = programs.Prometheus(json.dumps(config), suite="sid")
        self.addCleanup(prometheus.__exit__)
        prometheus.start()
        own = folder.put(json.dumps(http), "http.yml")
        deadline, said = time.monotonic() + 30, ""
        while 'up{instance="localhost' not in said and time.monotonic() < deadline:
            time.sleep(0.3)
            ran = subprocess.run([programs.peer("sid/promtool"), "query", "instant", f"--http.config.file={own}", url, "up == 1"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            said = ran.stdout
        self.assertIn('job="ferula"} => 1', said, ran.stderr + prometheus.log() + ferula.log())
        with Connection(ferula.port, client(folder, "client")) as c:
            page = c.ask("/metrics", authorization=basic("dave", "fakepassword"))[2].decode()
        checks = [line for line in page.splitlines() if line.startswith("ferula_auth_checks_total ")]
        self.assertEqual(checks, ["ferula_auth_checks_total 1"])  # all of them came with one pair


class Warned(unittest.TestCase):
    def test_an_open_door_is_named(self):
        """A listener beyond loopback without passwords."""
        folder = Folder()
        self.addCleanup(shutil.rmtree, folder.path)
        for text, address, warned in [("", "0.0.0.0", True), ("", "127.0.0.1", False), (USERS, "0.0.0.0", False),
                                      (TLS, "0.0.0.0", True),
                                      (CLIENTS_CA + "  client_auth_type: RequireAndVerifyClientCert\n", "0.0.0.0", False)]:
            server = programs.Ferula("--web.config.file=" + folder.put(text))
            server.command[1] = f"--web.listen-address={address}:{server.port}"
            self.addCleanup(server.__exit__)
            with self.subTest(text, address=address):
                launch(server)
                self.assertEqual("there is no authentication" in server.log(), warned)


if __name__ == "__main__":
    unittest.main()
