"""Accept fields as real clients send them (RFC 9110 section 12.5.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.core.http.negotiate import accepts, choose

TEXT, HTML, JSON = OFFERED = ("text/plain", "text/html", "application/json")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        pytest.param(b"text/html,application/xhtml+xml,*/*;q=0.8", HTML, id="navigation"),
        pytest.param(b"*/*", TEXT, id="curl"),
        pytest.param(b"", TEXT, id="nothing"),
        pytest.param(b"application/json, text/plain, */*", JSON, id="axios"),
        pytest.param(b"image/avif,image/webp,*/*;q=0.8", TEXT, id="picture"),
        (b"application/json", JSON),
        (b"text/html", HTML),
        (b"TEXT/HTML", HTML),
        (b"text/html;level=1", HTML),
        (b"text/*", TEXT),
        (b"application/*", JSON),
        (b"text/html, application/json", HTML),
        (b"application/json, text/html", JSON),
        (b"text/html;q=0.5, application/json", JSON),
        (b"text/html; q=0.9 , application/json;q=0.95", JSON),
        (b"text/html;Q=0.1, text/plain;q=0.2", TEXT),
        (b"text/html;q=0, */*", TEXT),
        (b"text/html;q=0", TEXT),
        (b"application/*;q=0.9, text/html;q=0.8", JSON),
        (b"image/png", TEXT),
        (b"html", TEXT),
        (b"text/html/x, ;;, ,application/json", JSON),
        (b"\xff\x00/*, text/html", HTML),
    ],
)
def test_choice_follows_q_precision_and_order(accept: bytes, kind: str) -> None:
    assert choose(accept, OFFERED) == kind


@given(st.binary(max_size=60))
def test_arbitrary_accept_gets_an_offered_type(accept: bytes) -> None:
    assert choose(accept, OFFERED) in OFFERED


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        *((b"text/html", True), (b"a/b, Text/HTML ; q=0.1", True), (b"text/html;q=0", False)),
        *((b"*/*", False), (b"text/*", False), (b"", False), (b"text/htmlx", False)),
    ],
)
def test_only_an_exactly_named_type_is_accepted(accept: bytes, expected: bool) -> None:
    assert accepts(accept, HTML) is expected
