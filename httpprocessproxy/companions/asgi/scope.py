"""What an application is told of a request: its scope, from the head of a front door's stream."""

from typing import Final
from urllib.parse import unquote_to_bytes

from httpprocessproxy.companions.asgi.interface import Scope, State
from httpprocessproxy.frontends.streams import Head

VERSION: Final = "3.0"
# Of "HTTP & WebSocket": `send` is ignored once the client has gone (from 2.4 on, it raises).
SPEC_VERSION: Final = "2.3"


def http_scope(head: Head, state: State) -> Scope:
    """The scope of a request. `state` is the lifespan's; each request has a copy."""
    return {
        "type": "http",
        "method": head.method.decode("ascii").upper(),
        "scheme": "https",
        **_common(head, state),
        "extensions": {"http.response.trailers": {}},
    }


def websocket_scope(head: Head, state: State) -> Scope:
    """The scope of a WebSocket that began by an extended CONNECT (RFC 8441)."""
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
        # RFC 9113 section 8.3.1: what was Host is `:authority`, and applications look for Host.
        "headers": [(b"host", head.authority), *head.fields],
        "state": state.copy(),
    }
