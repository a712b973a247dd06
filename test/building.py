"""A server that is built before it starts, and requests held until the test lets it start."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from test.harness import Proxy, backend
from test.wire import Message, Wire


def building(project: Path, *options: str, then: Sequence[str] = ()) -> Proxy:
    """The program, not entered yet, with builds.py, or a command that waits for a file `go`."""
    script = f"until test -e go; do sleep 0.01; done; exec {shlex.join(then)}"
    command = ["sh", "-c", script] if then else backend("builds.py")
    return Proxy(project, command, "--pattern", "no", *options)


def held(proxy: Proxy, wire: Wire, *request: bytes) -> Message:
    """Send a request, which is held, let the server start, and return the response."""
    wire.send(*request)
    # Accepted after the request, which is therefore held when this one is answered.
    assert proxy.status()["state"] == "loading"
    proxy.save("go", "")
    return wire.response()
