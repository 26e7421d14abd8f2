"""A proxy in front of a receiver that can fail as receivers and networks do.

    mode    what becomes of a request
    pass    it goes through
    busy    503, the receiver does not see it
    lost    the receiver gets it, the sender a 503
    cut     the receiver gets it, the sender's connection ends without an answer

`seen` counts (content type, content encoding, status sent); `refusals` are the texts of the receiver that told one.
"""

import collections
import gzip
import http.client
import http.server
import threading

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        proxy, body = self.server.proxy, self.body()
        mode = proxy.mode
        if mode == "busy":
            return self.answer(503, {}, b"busy")
        try:
            status, headers, data = proxy.forward(self.path, self.headers, body)
        except (OSError, http.client.HTTPException):
            return self.cut()
        if mode == "cut":
            return self.cut()
        if mode == "lost":
            return self.answer(503, {}, b"lost")
        if status >= 400:
            text = gzip.decompress(data) if headers.get("Content-Encoding") == "gzip" else data
            proxy.refusals.append((status, text.decode(errors="replace")))
        return self.answer(status, headers, data)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        ret = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            ret += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return ret

    def answer(self, status, headers, data):
        self.server.proxy.note(self.headers, status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.server.proxy.note(self.headers, None)
        self.close_connection = True

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A sender that goes away in the middle is none."""


class Proxy:
    def __init__(self, port):
        """port: the receiver's, on 127.0.0.1."""
        self.mode = "pass"
        self.seen, self.refusals = collections.Counter(), []
        self._port, self._lock = port, threading.Lock()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def note(self, headers, status):
        with self._lock:
            self.seen[headers.get("Content-Type"), headers.get("Content-Encoding"), status] += 1

    def statuses(self):
        """How many answers had which status; None: no answer."""
        with self._lock:
            ret = collections.Counter()
            for (_, _, status), n in self.seen.items():
                ret[status] += n
            return ret

    def has_passed(self):
        """Whether a sender was told of a success."""
        with self._lock:
            return any(status in (200, 204) for _, _, status in self.seen)

    def forward(self, path, headers, body):
        """The receiver's answer; a chunked body goes on chunked."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            chunked = headers.get("Transfer-Encoding") == "chunked"
            given = {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}
            if chunked:
                given["Transfer-Encoding"] = "chunked"
                body = [body[i : i + 1000] for i in range(0, len(body), 1000)]
            connection.request("POST", path, body=body, headers=given, encode_chunked=chunked)
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP}
            return answer.status, kept, answer.read()
        finally:
            connection.close()
