"""Serves the working directory, unless there is a file `crash` in it: python files.py PORT."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        # Its Last-Modified counts whole seconds: a browser would miss the second save in one.
        self.send_header("Cache-Control", "no-store")
        super().end_headers()


if Path("crash").exists():
    sys.exit("asked to crash")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
