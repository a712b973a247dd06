"""A server of the working directory, which exits if a file `crash` exists: python files.py PORT."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        # Last-Modified has whole seconds: a browser would miss a second save within one.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


if Path("crash").exists():
    sys.exit("asked to crash")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
