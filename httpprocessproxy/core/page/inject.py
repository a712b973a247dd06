"""Injection of a tag into an HTML page as a stream.

The tag is inserted after `<head ...>`; in a page without one, before the first token that cannot
precede a head. Tokens that can are parsed as in browsers (HTML Living Standard section 13.2.5):
byte order mark, white space, comments, doctype, `<html ...>`. Bytes pass at once; at most five are
held back, which may be the beginning of such a token. No I/O.
"""

import enum
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from httpprocessproxy.core.http.bodies import Body

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SPACE: Final = rb"\t\n\f\r "
_OPENER: Final = re.compile(
    rb"<(?:(?P<comment>!--)|[!?]|(?P<tag>html|(?P<head>head))(?=[%b/>]))" % _SPACE, re.IGNORECASE
)
# Prefixes that one more byte may turn into an opener, or into another one.
_BEGINNINGS: Final = frozenset(
    word[:size] for word in (b"<!-", b"<html", b"<head") for size in range(1, len(word) + 1)
)


class _State(enum.Enum):
    """The tokenizer's state: the kind of token that the next byte belongs to."""

    BETWEEN = enum.auto()  # between two tokens
    BOGUS = enum.auto()  # a doctype, or a malformed comment
    COMMENT_START = enum.auto()
    COMMENT_START_DASH = enum.auto()
    COMMENT = enum.auto()
    COMMENT_DASH = enum.auto()
    COMMENT_DASHES = enum.auto()
    COMMENT_BANG = enum.auto()
    TAG = enum.auto()  # before an attribute, or before the end of the tag
    NAME = enum.auto()
    NAME_END = enum.auto()
    VALUE = enum.auto()  # before an attribute's value
    DOUBLE_QUOTED = enum.auto()
    SINGLE_QUOTED = enum.auto()
    UNQUOTED = enum.auto()


class _ScannerRow:
    """The transitions of one state.

    Bytes in `stays` keep the state; a byte in `ways` is consumed and changes to the state there.
    Any other byte changes to `otherwise`, where it is read again.
    """

    def __init__(self, stays: bytes, ways: Mapping[bytes, _State], otherwise: _State) -> None:
        self.stays = re.compile(rb"[%b]*" % stays if stays else rb"")
        self.ways = {byte[0]: where for byte, where in ways.items()}
        self.otherwise = otherwise


_TABLE: Final = {
    _State.BETWEEN: _ScannerRow(_SPACE, {}, _State.BETWEEN),
    _State.BOGUS: _ScannerRow(rb"^>", {b">": _State.BETWEEN}, _State.BOGUS),
    _State.COMMENT_START: _ScannerRow(
        rb"", {b"-": _State.COMMENT_START_DASH, b">": _State.BETWEEN}, _State.COMMENT
    ),
    _State.COMMENT_START_DASH: _ScannerRow(
        rb"", {b"-": _State.COMMENT_DASHES, b">": _State.BETWEEN}, _State.COMMENT
    ),
    _State.COMMENT: _ScannerRow(rb"^-", {b"-": _State.COMMENT_DASH}, _State.COMMENT),
    _State.COMMENT_DASH: _ScannerRow(rb"", {b"-": _State.COMMENT_DASHES}, _State.COMMENT),
    _State.COMMENT_DASHES: _ScannerRow(
        rb"\-", {b">": _State.BETWEEN, b"!": _State.COMMENT_BANG}, _State.COMMENT
    ),
    _State.COMMENT_BANG: _ScannerRow(
        rb"", {b">": _State.BETWEEN, b"-": _State.COMMENT_DASH}, _State.COMMENT
    ),
    _State.TAG: _ScannerRow(_SPACE + rb"/", {b">": _State.BETWEEN, b"=": _State.NAME}, _State.NAME),
    _State.NAME: _ScannerRow(rb"^/>=" + _SPACE, {b"=": _State.VALUE}, _State.NAME_END),
    _State.NAME_END: _ScannerRow(_SPACE, {b"=": _State.VALUE}, _State.TAG),
    _State.VALUE: _ScannerRow(
        _SPACE,
        {b'"': _State.DOUBLE_QUOTED, b"'": _State.SINGLE_QUOTED, b">": _State.BETWEEN},
        _State.UNQUOTED,
    ),
    _State.DOUBLE_QUOTED: _ScannerRow(rb'^"', {b'"': _State.TAG}, _State.DOUBLE_QUOTED),
    _State.SINGLE_QUOTED: _ScannerRow(rb"^'", {b"'": _State.TAG}, _State.SINGLE_QUOTED),
    _State.UNQUOTED: _ScannerRow(rb"^>" + _SPACE, {}, _State.TAG),
}


class Injection:
    """Inserts `tag` into one page, once; the place does not depend on how the page is split."""

    __slots__ = ("_has_begun", "_held", "_is_head", "_is_placed", "_state", "_tag")

    def __init__(self, tag: bytes) -> None:
        self._tag = tag
        self._state = _State.BETWEEN
        self._has_begun = False  # a byte of the page has been passed on
        self._is_head = False  # the last opened tag is <head>
        self._is_placed = False
        self._held = b""  # the possible beginning of a token

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
        """Return the offset for the tag, or of the first byte to hold back."""
        at = 0
        if not self._has_begun:
            start = data[: len(_BYTE_ORDER_MARK)]
            if start == _BYTE_ORDER_MARK:
                at = len(start)
            elif _BYTE_ORDER_MARK.startswith(start):
                return 0
        while True:
            at = self._skip(data, at)
            if self._is_placed or at == len(data):
                return at
            after = self._open(data, at)
            if after is None:
                return at
            at = after

    def _skip(self, data: bytes, at: int) -> int:
        """Skip to the end of the current token, or of the data; return the offset."""
        while True:
            row = _TABLE[self._state]
            stay = row.stays.match(data, at)
            assert stay is not None  # it also matches the empty string
            at = stay.end()
            if at == len(data) or self._state is _State.BETWEEN:
                return at
            way = row.ways.get(data[at])
            self._state = way or row.otherwise
            at += way is not None
            if self._state is _State.BETWEEN and self._is_head:
                self._is_placed = True
                return at

    def _open(self, data: bytes, at: int) -> int | None:
        """Open the token at `at`; return None if it is incomplete, or ends the search."""
        if data[at : at + 6].lower() in _BEGINNINGS:
            return None
        opener = _OPENER.match(data, at)
        if opener is None:
            self._is_placed = True
            return None
        self._is_head = opener["head"] is not None
        if opener["tag"]:
            self._state = _State.TAG
        else:
            self._state = _State.COMMENT_START if opener["comment"] else _State.BOGUS
        return opener.end()


class InjectedBody:
    """A page's body with the tag inserted; implements `bodies.Body`.

    `content` decodes the backend's framing. `chunked` sends the result in chunks; trailers pass,
    except those `invalidated` by the tag.
    """

    __slots__ = ("_chunked", "_content", "_injection", "_invalidated", "done", "rest")

    def __init__(
        self, content: Body, injection: Injection, *, chunked: bool, invalidated: Collection[bytes]
    ) -> None:
        self._content = content
        self._injection = injection
        self._chunked = chunked
        self._invalidated = invalidated
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
        return b"%b0\r\n%b\r\n" % (framed, b"".join(self.trailers)) if self.done else framed

    @property
    def trailers(self) -> Sequence[bytes]:
        lines = self._content.trailers
        return [line for line in lines if line.partition(b":")[0].lower() not in self._invalidated]


def chunk(content: bytes) -> bytes:
    """Return one chunk (RFC 9112 section 7.1), or b"": an empty chunk would be the last one."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""
