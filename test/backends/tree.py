"""A server inside wrappers, as in real projects: python tree.py PORT SHAPE.

In each shape, the server survives a parent that kills only its direct child.
"""

import os
import subprocess
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

PORT, SHAPE = sys.argv[1], sys.argv[2]
SERVER = [sys.executable, __file__, PORT, "server"]


def serve() -> None:
    ThreadingHTTPServer(("127.0.0.1", int(PORT)), SimpleHTTPRequestHandler).serve_forever()


def double_fork() -> None:
    """The server escapes to init; its parent stays."""
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        serve()
    os.wait()
    os.execvp("sleep", ["sleep", "1000"])


def run(*command: str) -> None:
    subprocess.run(command, check=False)


SHELL = " ".join(SERVER)
match SHAPE:
    case "server":
        serve()
    case "shell":
        run("sh", "-c", f"{SHELL}; true")
    case "shells":
        run("sh", "-c", f'sh -c "{SHELL}; true"; true')
    case "background":
        run("sh", "-c", f"{SHELL} & wait")
    case "setsid":
        run("setsid", "--wait", *SERVER)
    case "nohup":
        run("sh", "-c", f"nohup {SHELL}; true")
    case "double-fork":
        double_fork()
    case _:
        raise SystemExit(f"no such shape: {SHAPE}")
