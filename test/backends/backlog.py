"""A server of one request at a time, with a backlog of 10 like Django's: python backlog.py PORT.

Connections that do not fit into the backlog wait for a second or more in the kernel.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(0.005)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_HEAD(self) -> None:
        self.do_GET()


class Server(HTTPServer):
    request_queue_size = 10


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
