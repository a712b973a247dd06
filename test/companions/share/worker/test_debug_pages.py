"""Debug pages are found, wherever their bytes are cut, and nothing else is taken for one."""

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.worker.debug_pages import Search, may_be_one

WERKZEUG = b"<title>KeyError: 'x' // Werkzeug Debugger</title>" + b"x" * 100
DJANGO = b"<p>" * 100 + b"you have <code>DEBUG = True</code> in your settings"


@pytest.mark.parametrize(("page", "name"), [(WERKZEUG, "Werkzeug"), (DJANGO, "Django")])
def test_a_mark_is_found_cut_anywhere(page: bytes, name: str) -> None:
    for at in range(len(page)):
        search = Search()
        assert name in (search.feed(page[:at]), search.feed(page[at:]))


def test_other_errors_are_none() -> None:
    assert Search().feed(b"<title>Server Error (500)</title> DEBUG = True") is None


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
def test_where_it_is_worth_while_to_look(head: AnswerHead, expected: bool) -> None:
    assert may_be_one(head) is expected
