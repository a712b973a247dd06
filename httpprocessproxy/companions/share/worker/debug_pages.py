"""Does a server show its visitors what only its developer should see? No I/O.

Werkzeug and Django answer an error with a page that shows source, settings and local variables.
"""

from typing import Final

from httpprocessproxy.companions.share.protocol import AnswerHead, first

_MARKS: Final = (
    (b"Werkzeug Debugger</title>", "Werkzeug"),
    (b"you have <code>DEBUG = True</code>", "Django"),
)
_LONGEST: Final = max(len(mark) for mark, _ in _MARKS)


def may_be_one(head: AnswerHead) -> bool:
    """Whether it is worth while to look: an error, as HTML that is not compressed."""
    content_type = first(head.fields, "content-type") or ""
    is_plain = first(head.fields, "content-encoding") is None
    return head.status >= 400 and is_plain and content_type.lower().startswith("text/html")


class Search:
    """Looks for a debug page in the pieces of a body."""

    def __init__(self) -> None:
        self._last = b""

    def feed(self, piece: bytes) -> str | None:
        """The name of what made the page, once that shows; a mark may be cut in two."""
        seen = self._last + piece
        self._last = seen[-_LONGEST:]
        return next((name for mark, name in _MARKS if mark in seen), None)
