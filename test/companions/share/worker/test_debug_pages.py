"""Debug pages are detected, at any cut of their bytes, and other pages are not."""

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.worker.debug_pages import DebugPageSearch, may_be_debug_page

WERKZEUG = b"<title>KeyError: 'x' // Werkzeug Debugger</title>" + b"x" * 100
DJANGO = b"<p>" * 100 + b"you have <code>DEBUG = True</code> in your settings"


@pytest.mark.parametrize(("page", "name"), [(WERKZEUG, "Werkzeug"), (DJANGO, "Django")])
def test_mark_is_found_when_cut_at_any_byte(page: bytes, name: str) -> None:
    for at in range(len(page)):
        search = DebugPageSearch()
        assert name in (search.feed(page[:at]), search.feed(page[at:]))


def test_other_error_pages_are_not_debug_pages() -> None:
    assert DebugPageSearch().feed(b"<title>Server Error (500)</title> DEBUG = True") is None


HTML = ("Content-Type", "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (AnswerHead(500, [HTML]), True),
        (AnswerHead(404, [HTML]), True),
        (AnswerHead(200, [HTML]), False),
        (AnswerHead(500, [("Content-Type", "application/json")]), False),
        (AnswerHead(500, [HTML, ("Content-Encoding", "br")]), False),
        (AnswerHead(500, []), False),
    ],
)
def test_only_uncompressed_html_errors_are_searched(head: AnswerHead, expected: bool) -> None:
    assert may_be_debug_page(head) is expected
