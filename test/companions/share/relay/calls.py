"""Helpers: visitors that wait for an answer, and worker calls sent as raw bytes."""

from test.companions.share.relays import Relay, host_of, request
from test.wire import Message, Wire


def visiting(relay: Relay, name: str, target: str = "/", **fields: str) -> Wire:
    """Send a visitor's request, and return its connection before the response."""
    wire = relay.connect()
    wire.send(request(target, host_of(name), "GET", b"", **fields))
    return wire


def visit(
    relay: Relay, name: str, target: str = "/", method: str = "GET", body: bytes = b""
) -> Message:
    return relay.get(target, host_of(name), method, body)


def raw_call(
    relay: Relay, *fields: str, path: str = "/server-client", method: str = "POST"
) -> Message:
    """Send a call with exactly these fields, and return the response."""
    with relay.connect() as wire:
        lines = [f"{method} {path} HTTP/1.1", "Host: relay.example.test", *fields]
        wire.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        return wire.response()


def credentials(name: str) -> tuple[str, str]:
    return f"fpw-host: {host_of(name)}", f"fpw-token: secret-of-{name}"
