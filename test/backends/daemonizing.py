"""A server that becomes a daemon: the direct child ends with status 0, the server goes on."""

import os
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

if os.fork():
    sys.exit(0)
os.setsid()
if os.fork():
    sys.exit(0)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
