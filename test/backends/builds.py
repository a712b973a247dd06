"""A server with a build step: prints, waits for the file `go`, then serves: python builds.py PORT.

Meanwhile it prints and removes each file "print *".
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"<!doctype html><title>{self.path}</title>served".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("\x1b[32mbuilding\x1b[0m <b>", flush=True)
while not Path("go").exists():
    time.sleep(0.01)
    for word in Path().glob("print *"):
        print(word.name, flush=True)
        word.unlink()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
