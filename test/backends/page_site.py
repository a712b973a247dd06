"""Serves what page.py in the working directory makes, and files: python page_site.py PORT.

`PAGES` maps paths to HTML, `HEADERS` are fields for all of them. Any error of page.py ends it.
"""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

# Saves follow one another faster than the seconds in which a .pyc tells old from new.
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
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
