"""Detects debug pages, which visitors should not see. No I/O.

Werkzeug and Django answer an error with a page that shows source, settings and local variables.
"""

from typing import Final

from httpprocessproxy.companions.share.protocol import AnswerHead, first

_MARKS: Final = (
    (b"Werkzeug Debugger</title>", "Werkzeug"),
    (b"you have <code>DEBUG = True</code>", "Django"),
)
_LONGEST: Final = max(len(mark) for mark, _ in _MARKS)


def may_be_debug_page(head: AnswerHead) -> bool:
    """Whether the body is searched for a debug page: an error in uncompressed HTML."""
    if head.status < 400:
        return False
    content_type = first(head.fields, "content-type") or ""
    is_plain = first(head.fields, "content-encoding") is None
    return is_plain and content_type.lower().startswith("text/html")


class DebugPageSearch:
    """Searches the pieces of a body for the mark of a debug page."""

    def __init__(self) -> None:
        self._last = b""

    def feed(self, piece: bytes) -> str | None:
        """Search a piece, also for a mark cut in two; return the framework's name, or None."""
        seen = self._last + piece
        self._last = seen[-_LONGEST:]
        return next((name for mark, name in _MARKS if mark in seen), None)
