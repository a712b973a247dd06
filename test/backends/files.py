"""Serves the working directory, unless there is a file `crash` in it: python files.py PORT."""

import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

if Path("crash").exists():
    sys.exit("asked to crash")
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
