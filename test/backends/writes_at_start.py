"""A server that writes a file in the project: writes_at_start.py PORT NAME early|open.

early: it replaces the file at each start, before it listens. open: it keeps the file open, and
appends to it at each request, including readiness checks.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TextIO

port, name, when = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def note(file: TextIO) -> None:
    file.write("a line\n")
    file.flush()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if when == "open":
            note(log)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - a name of http.server's


if when == "early":
    # A typical load time; without it, noise of the machine would dominate the interval of restarts.
    time.sleep(0.3)
    new = Path(f"{name}~")
    new.write_text("all there is\n")
    new.replace(name)
else:
    log = open(name, "a")  # noqa: SIM115 - as logging does
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
