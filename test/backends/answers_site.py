"""A server of the responses in answers.json, and of files: answers_site.py PORT.

answers.json maps paths to [status, header fields, body]; for a null status, the path's file is
served as by `python -m http.server`, with these fields. It is read once, at the start.
"""

import json
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ANSWERS = json.loads(Path("answers.json").read_text())


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status, _, body = ANSWERS.get(self.path, (None, {}, ""))
        if status is None:
            super().do_GET()
            return
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        for name, value in ANSWERS.get(self.path, (None, {}, ""))[1].items():
            self.send_header(name, value)
        super().end_headers()


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
