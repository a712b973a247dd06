"""The scope of a request, made from a head of HTTP/2 or HTTP/3: the table of ASGI."""

import pytest

from httpprocessproxy.asgi.scope import http_scope, websocket_scope
from httpprocessproxy.frontends.streams import Head

HEAD = Head(
    version="3",
    method=b"POST",
    authority=b"localhost:8443",
    path=b"/a%20b/%C3%A9?x=%20&y",
    fields=[(b"content-type", b"text/plain"), (b"x", b"1"), (b"x", b"2")],
    protocol=None,
    client=("192.0.2.1", 50000),
    server=("192.0.2.2", 8443),
)


def test_scope_of_a_request_has_all_keys() -> None:
    assert http_scope(HEAD, {"pool": 1}) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "3",
        "server": ("192.0.2.2", 8443),
        "client": ("192.0.2.1", 50000),
        "scheme": "https",
        "method": "POST",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "query_string": b"x=%20&y",
        "root_path": "",
        "headers": [
            (b"host", b"localhost:8443"),
            (b"content-type", b"text/plain"),
            (b"x", b"1"),
            (b"x", b"2"),
        ],
        "state": {"pool": 1},
        "extensions": {"http.response.trailers": {}},
    }


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/?", "/", b"/", b""),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
        (b"/a%2Fb", "/a/b", b"/a%2Fb", b""),
        (b"/%ff", "/\ufffd", b"/%ff", b""),
        (b"/%zz%", "/%zz%", b"/%zz%", b""),
        (b"*", "*", b"*", b""),
    ],
)
def test_target_is_split_and_decoded(
    target: bytes, path: str, raw_path: bytes, query: bytes
) -> None:
    scope = http_scope(HEAD._replace(path=target), {})
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


def test_method_is_in_upper_case() -> None:
    assert http_scope(HEAD._replace(method=b"get"), {})["method"] == "GET"


def test_each_request_has_a_copy_of_the_state() -> None:
    state: dict[str, object] = {"pool": 1}
    scope = http_scope(HEAD, state)
    assert scope["state"] == state
    assert scope["state"] is not state


def test_scope_of_a_websocket_has_its_subprotocols_and_no_method() -> None:
    fields = [(b"sec-websocket-protocol", b"a, b"), (b"sec-websocket-protocol", b"c")]
    head = HEAD._replace(method=b"CONNECT", protocol=b"websocket", version="2", fields=fields)
    scope = websocket_scope(head, {})
    assert (scope["type"], scope["scheme"], scope["http_version"]) == ("websocket", "wss", "2")
    assert scope["subprotocols"] == ["a", "b", "c"]
    assert scope["path"] == "/a b/é"
    assert "method" not in scope
