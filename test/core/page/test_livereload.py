"""LiveReload protocol 7, as used by the stock livereload.js and the browser extension."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.page import livereload
from httpprocessproxy.core.page.livereload import CONNECTION_CHECK, OFFICIAL_7, LiveReloadHello

OFFICIAL_6 = "http://livereload.com/protocols/official-6"


def test_hello_offers_protocol_7() -> None:
    message = json.loads(livereload.hello())
    assert message["command"] == "hello"
    assert OFFICIAL_7 in message["protocols"]


def test_reload_has_the_path_that_stock_clients_require() -> None:
    message = json.loads(livereload.reload("/a b.html"))
    assert message["command"] == "reload"
    assert message["path"] == "/a b.html"


@pytest.mark.parametrize(
    ("changed", "reported"),
    [
        (["a.css"], ["a.css"]),
        (["a.css", "x/b.PNG", "c.svg"], ["a.css", "x/b.PNG", "c.svg"]),
        (["a.html"], ["/"]),
        (["a.css", "a.js"], ["/"]),
        (["a.css.map"], ["/"]),
        (["css"], ["/"]),
    ],
)
def test_refresh_swaps_style_sheets_and_images_and_reloads_for_other_files(
    changed: list[str], reported: list[str]
) -> None:
    messages = [json.loads(message) for message in livereload.refresh(changed)]
    assert [message["path"] for message in messages] == reported
    assert {message["command"] for message in messages} == {"reload"}
    assert all(message["liveCSS"] for message in messages)


@pytest.mark.parametrize(
    ("protocols", "is_page"),
    [
        ([OFFICIAL_6, OFFICIAL_7], True),
        ([OFFICIAL_7], True),
        ([OFFICIAL_7, CONNECTION_CHECK], True),
        ([OFFICIAL_6], True),
        ([], True),
        ([CONNECTION_CHECK], False),
    ],
)
def test_hello_lists_protocols(protocols: list[str], is_page: bool) -> None:
    hello = livereload.parse(json.dumps({"command": "hello", "protocols": protocols}))
    assert hello == LiveReloadHello(frozenset(protocols))
    assert hello.is_page is is_page


@pytest.mark.parametrize("protocols", [None, 7, "official-7", {"a": 1}, [7, None, [], {}]])
def test_hello_with_invalid_protocols_is_accepted(protocols: object) -> None:
    message = json.dumps({"command": "hello", "protocols": protocols})
    assert livereload.parse(message) == LiveReloadHello(frozenset())


def test_hello_without_protocols_is_accepted() -> None:
    assert livereload.parse('{"command":"hello"}') == LiveReloadHello(frozenset())


@pytest.mark.parametrize(
    "message",
    [
        '{"command":"info","plugins":{"less":{"disable":false}},"url":"http://localhost:8001/"}',
        '{"command":"url","url":"/"}',
        '{"command":["hello"]}',
        '{"protocols":[]}',
        "{}",
        "[]",
        "null",
        '"hello"',
        "",
        "{",
        "!!ver:1.6",
        "[" * 60_000,
        "9" * 60_000,
        b"",
        b"\xff\xfe",
        b"\x00",
    ],
)
def test_other_message_is_ignored(message: str | bytes) -> None:
    assert livereload.parse(message) is None


@given(st.text() | st.binary())
def test_arbitrary_message_raises_no_error(message: str | bytes) -> None:
    assert livereload.parse(message) is None or isinstance(
        livereload.parse(message), LiveReloadHello
    )
