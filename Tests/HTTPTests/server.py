"""A small HTTP server that behaves well, or badly on request. Usage: server.py PORT [CERTIFICATE KEY]"""
import hashlib, socket, ssl, struct, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATTERN = bytes((i * 7 + 13) % 251 for i in range(65521))
counts = {"broken": 0, "requests": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def pattern(self, size, until=None):
        sent, until = 0, size if until is None else until
        try:
            while sent < until:
                part = PATTERN[: min(len(PATTERN), until - sent)]
                self.wfile.write(part)
                sent += len(part)
        except OSError:
            counts["broken"] += 1

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def body(self, pause=0.0):
        digest, count = hashlib.sha256(), 0
        for part in self.parts():
            digest.update(part)
            count += len(part)
            time.sleep(pause)
        return count, digest.hexdigest()

    def parts(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            part = self.rfile.read(min(left, 1 << 16))
            if not part:
                counts["broken"] += 1
                return
            left -= len(part)
            yield part

    def answer(self):
        counts["requests"] += 1
        path = self.path.removeprefix("http://no-such-host.invalid")
        what, *numbers = path.split("?")[0].strip("/").split("/")
        getattr(self, "do_" + what.replace("-", "_"))(*numbers)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

    def do_bytes(self, size):
        self.send_response(200)
        self.send_header("Content-Length", size)
        self.end_headers()
        self.pattern(int(size))

    def do_chunked(self, size):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % int(size))
        self.pattern(int(size))
        self.wfile.write(b"\r\n0\r\nTrailer: x\r\n\r\n")

    def do_drop(self, size, after):
        self.send_response(200)
        self.send_header("Content-Length", size)
        self.end_headers()
        self.pattern(int(size), int(after))
        time.sleep(0.2)
        self.reset()

    def do_drop_at_once(self):
        self.reset()

    def do_drop_in_body(self, after):
        self.rfile.read(int(after))
        self.reset()

    def do_once(self):
        """Answers and closes the connection without saying so."""
        self.reply(200, b"once")
        self.close_connection = True

    def do_stall(self, after="0"):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.pattern(int(after))
        time.sleep(60)

    def do_silent(self):
        time.sleep(60)

    def do_swallow(self, pause="0"):
        count, digest = self.body(float(pause))
        self.reply(200, f"{count} {digest}".encode())

    def do_refuse(self):
        self.close_connection = True
        self.reply(412, b"refused", Connection="close")

    def handle_expect_100(self):
        if "refuse" in self.path:
            return True
        return super().handle_expect_100()

    def do_echo(self, *_):
        self.body()
        text = f"{self.command} {self.path}\n" + "".join(f"{n}: {v}\n" for n, v in self.headers.items())
        self.reply(200, text.encode())

    def do_redirect(self):
        self.reply(302, b"", Location="/echo")

    def do_odd(self):
        self.wfile.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nx-twice:  2 \r\nX-Empty:\r\nContent-Length: 2\r\n\r\nok")

    def do_nonsense(self):
        self.wfile.write(b"no HTTP at all\r\n\r\n")
        self.close_connection = True

    def do_headers(self, count):
        self.send_response(200)
        for number in range(int(count)):
            self.send_header(f"X-{number}", "x" * 1000)
        self.reply_end()

    def reply_end(self):
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_connection(self):
        self.reply(200, str(self.client_address[1]).encode())

    def do_counts(self):
        self.reply(200, f"{counts['broken']} {counts['requests']}".encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_):
        counts["broken"] += 1


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
