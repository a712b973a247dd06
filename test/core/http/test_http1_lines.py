"""Lines of a response head that the proxy adds or removes."""

import pytest

from httpprocessproxy.core.http.http1 import connection_option, without_alt_svc


@pytest.mark.parametrize(
    ("head", "left"),
    [
        (b"A: 1", b"A: 1"),
        (b"ALT-SVC : h3\r\nA: 1", b"A: 1"),
        (b"alt-svc:a,\r\n\t b\r\nA: 1\r\nAlt-Svc:", b"A: 1"),
        (b"X-Alt-Svc: alt-svc: y", b"X-Alt-Svc: alt-svc: y"),
    ],
)
def test_alt_svc_is_removed_with_its_folded_lines(head: bytes, left: bytes) -> None:
    first, end = b"HTTP/1.1 200 alt-svc: x\r\n", b"\r\n\r\n"
    assert without_alt_svc(first + head + end) == first + left + end


@pytest.mark.parametrize(
    ("keep_alive", "is_http10", "line"),
    [
        (True, False, b""),
        (True, True, b"Connection: keep-alive\r\n"),
        (False, False, b"Connection: close\r\n"),
        (False, True, b"Connection: close\r\n"),
    ],
)
def test_connection_line_by_version_and_persistence(
    keep_alive: bool, is_http10: bool, line: bytes
) -> None:
    assert connection_option(keep_alive=keep_alive, is_http10=is_http10) == line
