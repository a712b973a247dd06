"""A server that prints 200 MB while it serves: python chatty.py PORT."""

import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

LINE = b"\x1b[32m" + b"x" * 990 + b"\x1b[0m\n"


def chatter() -> None:
    for _ in range(200):
        sys.stdout.buffer.write(LINE * 1000)
    sys.stdout.buffer.write(b"chatter ends\n")
    sys.stdout.buffer.flush()


threading.Thread(target=chatter).start()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()
