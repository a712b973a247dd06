"""A server for tests of the dashboard: python shop.py PORT.

`/status/N` responds with status N, `/hook` with the status in hook.py, `/print` prints the request
body, and `/socket`, with any query, is a WebSocket that never sends a message.
"""

import base64
import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/socket":
            self._open_socket()
        else:
            self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.path == "/print":
            print(body.decode(), flush=True)
        status = {"/hook": int(Path("hook.py").read_text())}.get(self.path, 200)
        if self.path.startswith("/status/"):
            status = int(self.path[8:])
        answer = f"<!doctype html><title>shop</title>{self.command} {body.decode()}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _open_socket(self) -> None:
        key = hashlib.sha1(self.headers["Sec-WebSocket-Key"].encode() + MAGIC).digest()
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(key).decode())
        self.end_headers()
        threading.Event().wait()

    def log_message(self, *_: object) -> None:
        pass


if Path("hook.py").read_text() == "":
    sys.exit("\x1b[31mhook.py is empty\x1b[0m")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
