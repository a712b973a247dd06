"""A server that is built first, and requests that wait for it until the test says so."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from test.harness import Proxy, backend
from test.wire import Message, Wire


def building(project: Path, *options: str, then: Sequence[str] = ()) -> Proxy:
    """The program, to be entered, with builds.py, or another command that begins at a `go`."""
    script = f"until test -e go; do sleep 0.01; done; exec {shlex.join(then)}"
    command = ["sh", "-c", script] if then else backend("builds.py")
    return Proxy(project, command, "--pattern", "no", *options)


def held(proxy: Proxy, wire: Wire, *request: bytes) -> Message:
    """The answer to a request that waits for the server, which then begins."""
    wire.send(*request)
    # Accepted after the other, so that one is held when this is answered.
    assert proxy.status()["state"] == "loading"
    proxy.save("go", "")
    return wire.response()
