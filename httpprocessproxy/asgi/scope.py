"""The scope of an ASGI request, made from the head of an HTTP/2 or HTTP/3 stream."""

from typing import Final
from urllib.parse import unquote_to_bytes

from httpprocessproxy.asgi.interface import Scope, State
from httpprocessproxy.frontends.streams import Head

VERSION: Final = "3.0"
# The version of "HTTP & WebSocket": `send` is ignored after the client has left (2.4 raises).
SPEC_VERSION: Final = "2.3"


def http_scope(head: Head, state: State) -> Scope:
    """The scope of a request; it has a copy of `state`, the state of the lifespan."""
    return {
        "type": "http",
        "method": head.method.decode("ascii").upper(),
        "scheme": "https",
        **_common(head, state),
        "extensions": {"http.response.trailers": {}},
    }


def websocket_scope(head: Head, state: State) -> Scope:
    """The scope of a WebSocket opened by an extended CONNECT (RFC 8441)."""
    offers = [value for name, value in head.fields if name == b"sec-websocket-protocol"]
    names = b",".join(offers).decode("latin-1").split(",")
    return {
        "type": "websocket",
        "scheme": "wss",
        **_common(head, state),
        "subprotocols": [name.strip() for name in names if name.strip()],
        "extensions": {"websocket.http.response": {}},
    }


def _common(head: Head, state: State) -> Scope:
    raw_path, _, query = head.path.partition(b"?")
    return {
        "asgi": {"version": VERSION, "spec_version": SPEC_VERSION},
        "http_version": head.version,
        "server": head.server,
        "client": head.client,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        # RFC 9113 section 8.3.1: `:authority` replaces Host, and applications read Host.
        "headers": [(b"host", head.authority), *head.fields],
        "state": state.copy(),
    }
