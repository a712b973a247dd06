"""Where a tag goes into a page, found while the page passes by.

Right behind `<head ...>`; in a page without one, in front of the first thing that cannot come
before a head. What can is read as browsers do (HTML Living Standard section 13.2.5): byte order
mark, white space, comments, doctype, `<html ...>`. Bytes pass as they come: held back are at most
the five that may be the beginning of one of these. No I/O.
"""

import enum
import re
from collections.abc import Collection, Mapping
from typing import Final

from httpprocessproxy.core.http.bodies import Body, Chunked

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SPACE: Final = rb"\t\n\f\r "
_OPENER: Final = re.compile(
    rb"<(?:(?P<comment>!--)|[!?]|(?P<tag>html|(?P<head>head))(?=[%b/>]))" % _SPACE, re.IGNORECASE
)
# What one more byte may make an opener, or another one.
_BEGINNINGS: Final = frozenset(
    word[:size] for word in (b"<!-", b"<html", b"<head") for size in range(1, len(word) + 1)
)


class _In(enum.Enum):
    """What the next byte belongs to."""

    NOTHING = enum.auto()  # between one thing and the next
    BOGUS = enum.auto()  # a doctype, or a comment that is not written as one
    COMMENT_START = enum.auto()
    COMMENT_START_DASH = enum.auto()
    COMMENT = enum.auto()
    COMMENT_DASH = enum.auto()
    COMMENT_DASHES = enum.auto()
    COMMENT_BANG = enum.auto()
    TAG = enum.auto()  # in front of an attribute, or of the end
    NAME = enum.auto()
    NAME_END = enum.auto()
    VALUE = enum.auto()  # in front of it
    DOUBLE_QUOTED = enum.auto()
    SINGLE_QUOTED = enum.auto()
    UNQUOTED = enum.auto()


class _ScannerRow:
    """What bytes do: those of `stays` nothing, one of `ways` is taken and leads somewhere.

    Any other leads to `otherwise`, and is looked at again there.
    """

    def __init__(self, stays: bytes, ways: Mapping[bytes, _In], otherwise: _In) -> None:
        self.stays = re.compile(rb"[%b]*" % stays if stays else rb"")
        self.ways = {byte[0]: where for byte, where in ways.items()}
        self.otherwise = otherwise


_TABLE: Final = {
    _In.NOTHING: _ScannerRow(_SPACE, {}, _In.NOTHING),
    _In.BOGUS: _ScannerRow(rb"^>", {b">": _In.NOTHING}, _In.BOGUS),
    _In.COMMENT_START: _ScannerRow(
        rb"", {b"-": _In.COMMENT_START_DASH, b">": _In.NOTHING}, _In.COMMENT
    ),
    _In.COMMENT_START_DASH: _ScannerRow(
        rb"", {b"-": _In.COMMENT_DASHES, b">": _In.NOTHING}, _In.COMMENT
    ),
    _In.COMMENT: _ScannerRow(rb"^-", {b"-": _In.COMMENT_DASH}, _In.COMMENT),
    _In.COMMENT_DASH: _ScannerRow(rb"", {b"-": _In.COMMENT_DASHES}, _In.COMMENT),
    _In.COMMENT_DASHES: _ScannerRow(
        rb"\-", {b">": _In.NOTHING, b"!": _In.COMMENT_BANG}, _In.COMMENT
    ),
    _In.COMMENT_BANG: _ScannerRow(rb"", {b">": _In.NOTHING, b"-": _In.COMMENT_DASH}, _In.COMMENT),
    _In.TAG: _ScannerRow(_SPACE + rb"/", {b">": _In.NOTHING, b"=": _In.NAME}, _In.NAME),
    _In.NAME: _ScannerRow(rb"^/>=" + _SPACE, {b"=": _In.VALUE}, _In.NAME_END),
    _In.NAME_END: _ScannerRow(_SPACE, {b"=": _In.VALUE}, _In.TAG),
    _In.VALUE: _ScannerRow(
        _SPACE,
        {b'"': _In.DOUBLE_QUOTED, b"'": _In.SINGLE_QUOTED, b">": _In.NOTHING},
        _In.UNQUOTED,
    ),
    _In.DOUBLE_QUOTED: _ScannerRow(rb'^"', {b'"': _In.TAG}, _In.DOUBLE_QUOTED),
    _In.SINGLE_QUOTED: _ScannerRow(rb"^'", {b"'": _In.TAG}, _In.SINGLE_QUOTED),
    _In.UNQUOTED: _ScannerRow(rb"^>" + _SPACE, {}, _In.TAG),
}


class Injection:
    """Puts `tag` into one page, once, at the same place however the page is cut into pieces."""

    __slots__ = ("_has_begun", "_held", "_in", "_is_head", "_is_placed", "_tag")

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._in = _In.NOTHING
        self._has_begun = False  # something of the page has been passed on
        self._is_head = False  # what was opened last is <head>
        self._is_placed = False
        self._held = b""  # what may be the beginning of something

    def feed(self, data: bytes) -> bytes:
        """Take a piece of the page, return what to send on."""
        return data if self._is_placed or not data else self._search(self._held + data)

    def end(self) -> bytes:
        """The page is complete: return the last bytes to send on. An empty page stays empty."""
        is_empty = not (self._has_begun or self._held)
        if self._is_placed or is_empty:
            return b""
        self._is_placed = True
        return self._tag + self._held

    def _search(self, data: bytes) -> bytes:
        at = self._find(data)
        self._has_begun = self._has_begun or at > 0
        if self._is_placed:
            return data[:at] + self._tag + data[at:]
        self._held = data[at:]
        return data[:at]

    def _find(self, data: bytes) -> int:
        """Where the tag goes, or where what has to be held back begins."""
        at = 0
        if not self._has_begun:
            start = data[: len(_BYTE_ORDER_MARK)]
            if start == _BYTE_ORDER_MARK:
                at = len(start)
            elif _BYTE_ORDER_MARK.startswith(start):
                return 0
        while True:
            at = self._pass(data, at)
            if self._is_placed or at == len(data):
                return at
            behind = self._open(data, at)
            if behind is None:
                return at
            at = behind

    def _pass(self, data: bytes, at: int) -> int:
        """Go on to where something else begins, or to the end of the data."""
        while True:
            row = _TABLE[self._in]
            stay = row.stays.match(data, at)
            assert stay is not None  # it matches nothing as well
            at = stay.end()
            if at == len(data) or self._in is _In.NOTHING:
                return at
            way = row.ways.get(data[at])
            self._in = way or row.otherwise
            at += way is not None
            if self._in is _In.NOTHING and self._is_head:
                self._is_placed = True
                return at

    def _open(self, data: bytes, at: int) -> int | None:
        """Begin with what begins here; None if it cannot be told yet, or ends the search."""
        if data[at : at + 6].lower() in _BEGINNINGS:
            return None
        opener = _OPENER.match(data, at)
        if opener is None:
            self._is_placed = True
            return None
        self._is_head = opener["head"] is not None
        if opener["tag"]:
            self._in = _In.TAG
        else:
            self._in = _In.COMMENT_START if opener["comment"] else _In.BOGUS
        return opener.end()


class InjectedBody:
    """A page's body on its way through, with the tag in it: see `bodies.Body`.

    `content` reads the backend's framing and returns the content alone. `chunked` frames it anew;
    trailers pass, but for those that are `untrue` of the page with the tag.
    """

    __slots__ = ("_chunked", "_content", "_injection", "_untrue", "done", "rest")

    def __init__(
        self, content: Body, injection: Injection, *, chunked: bool, untrue: Collection[bytes]
    ) -> None:
        self._content = content
        self._injection = injection
        self._chunked = chunked
        self._untrue = untrue
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        content = self._injection.feed(self._content.feed(data))
        self.done, self.rest = self._content.done, self._content.rest
        return self._framed(content + self._injection.end() if self.done else content)

    def end(self) -> bytes:
        content = self._content.end()
        self.done = True
        return self._framed(content + self._injection.end())

    def _framed(self, content: bytes) -> bytes:
        if not self._chunked:
            return content
        framed = chunk(content)
        return b"%b0\r\n%b\r\n" % (framed, self._trailers()) if self.done else framed

    def _trailers(self) -> bytes:
        lines = self._content.trailers if isinstance(self._content, Chunked) else ()
        return b"".join(
            line for line in lines if line.partition(b":")[0].lower() not in self._untrue
        )


def chunk(content: bytes) -> bytes:
    """One chunk (RFC 9112 section 7.1); none for no content, for an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""
