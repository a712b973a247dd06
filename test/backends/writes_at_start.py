"""Writes a file in the project at each start: `PORT NAME early|open`, before it listens or after.

early: it is replaced by a whole new one; open: it is kept open, and written at each request, the
ping included.
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
    # As long as a server loads; without it, what the machine does beside would be all of the beat.
    time.sleep(0.3)
    new = Path(f"{name}~")
    new.write_text("all there is\n")
    new.replace(name)
else:
    log = open(name, "a")  # noqa: SIM115 - as logging does
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
