"""A server that starts slowly: python slow_start.py PORT MILLISECONDS."""

import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

time.sleep(int(sys.argv[2]) / 1000)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
