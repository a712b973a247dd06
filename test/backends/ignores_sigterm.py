"""A server that ignores SIGTERM, SIGINT and SIGHUP: python ignores_sigterm.py PORT."""

import signal
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
