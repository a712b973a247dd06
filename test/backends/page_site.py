"""A server of the pages in ./page.py, and of files: python page_site.py PORT.

`PAGES` maps paths to HTML, `HEADERS` are header fields for all of them. An exception in page.py
ends the server.
"""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

# A .pyc compares modification times in seconds, and tests save more often.
sys.dont_write_bytecode = True
sys.path.insert(0, "")

import page  # type: ignore[import-not-found]  # noqa: E402


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path not in page.PAGES:
            super().do_GET()
            return
        body = page.PAGES[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in getattr(page, "HEADERS", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def end_headers(self) -> None:
        if "Cache-Control" not in getattr(page, "HEADERS", {}):
            self.send_header("Cache-Control", "no-store")
        super().end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
