"""A server of pages that make it hard to inject a script: python pages.py PORT.

`/seen` returns the requests so far as JSON: pairs of path and status.
"""

import gzip
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NONCE = "bm9uY2U="
MARK = f"<script nonce={NONCE}>document.documentElement.dataset.ran = 'yes'</script>"
PAGE = f"<!doctype html><html><head><title>page</title>{MARK}</head><body><p>hello</body></html>"
POLICIES = {
    "/nonce": f"script-src 'nonce-{NONCE}'",
    "/nonce-strict": f"default-src 'none'; script-src 'strict-dynamic' 'nonce-{NONCE}'",
    "/none": "default-src 'none'",
    "/origin": "script-src https://a.example; connect-src https://a.example",
    "/elements": f"script-src-elem https://a.example 'nonce-{NONCE}'; script-src 'none'",
    "/hash": "script-src 'strict-dynamic' 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='",
    "/two": f"script-src 'nonce-{NONCE}', default-src 'self'",
    "/sandbox": "sandbox allow-same-origin",
}
INTEGRITY = "blocked-destinations=(script)"
COMPARES = "<script>document.documentElement.dataset.seen = document.head.innerHTML</script>"
BODIES = {
    "/no-head": "<!doctype html>\n<!-- <head> -->\n<p>hello",
    "/text": "hello",
    "/fresh": "hello",
    "/meta": f"<head><meta http-equiv=Content-Security-Policy content='img-src *'>{MARK}<p>hello",
    "/integrity": f"<!doctype html><title>page</title>{MARK}<p>hello",
    "/compared": f"<!doctype html><html><head><title>page</title></head><body>{COMPARES}<p>hello",
    "/links": "<!doctype html><a id=keep download href=/page>keep</a><p>hello",
    "/frame": "<!doctype html><p>hello<iframe src=/page></iframe>",
}

seen: list[tuple[str, int]] = []
go_on = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/seen":
            return self._answer(json.dumps(seen).encode(), {"Content-Type": "application/json"})
        if self.path == "/go-on":
            go_on.set()
        if self.path == "/streamed":
            return self._stream()
        age = "max-age=600" if self.path == "/fresh" else "no-cache"
        fields = {"ETag": '"1"', "Cache-Control": age}
        if self.path in POLICIES:
            fields["Content-Security-Policy"] = POLICIES[self.path]
        if self.path == "/integrity":
            fields["Integrity-Policy"] = INTEGRITY
        if self.headers["If-None-Match"] == fields["ETag"]:
            return self._answer(b"", fields, 304)
        body = BODIES.get(self.path, PAGE).encode()
        if self.path == "/always-coded" or (
            self.path == "/coded" and "gzip" in self.headers["Accept-Encoding"]
        ):
            body = gzip.compress(body)
            fields["Content-Encoding"] = "gzip"
        return self._answer(body, {"Content-Type": "text/html; charset=utf-8", **fields})

    def _answer(self, body: bytes, fields: dict[str, str], status: int = 200) -> None:
        seen.append((self.path, status))
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"<!doctype html><html><head></head><body><p id=first>first</p>")
        go_on.wait(60)
        self.wfile.write(b"<p id=last>last</p>")
        self.close_connection = True


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
