"""The framing of an application's HTTP/1.x responses: Content-Length, chunked, or until close.

The rule: the start of a response is held until the first event of its body (ASGI demands it), so a
body in one piece gets a Content-Length. A body in several pieces is chunked; for an HTTP/1.0
client, which does not know chunks, it ends with the connection (RFC 9112 section 6.1). No I/O.
"""

from collections.abc import Mapping
from typing import Final, cast

from httpprocessproxy.asgi.interface import Scope
from httpprocessproxy.asgi.response import WITHOUT_BODY
from httpprocessproxy.frontends.streams import Fields

START: Final = "http.response.start"
BODY: Final = "http.response.body"

_LENGTH: Final = b"content-length"


class Framing:
    """The framing of one response; call `frame` with the application's events, in their order."""

    def __init__(self, scope: Scope) -> None:
        self.is_until_close = False
        self.is_complete = False
        self._is_head = scope["method"] == "HEAD"
        self._is_old = scope["http_version"] == "1.0"
        self._has_body = True
        self._start: Mapping[str, object] | None = None

    def frame(self, event: Mapping[str, object]) -> list[Mapping[str, object]]:
        """The events to send now. Raises RuntimeError for a second start."""
        if event["type"] == START:
            if self._start is not None:
                raise RuntimeError("a second start of a response")
            self._start = event
            return []
        if event["type"] != BODY:
            return [event]
        self.is_complete = not event.get("more_body", False)
        start, self._start = self._start, None
        if start is None:
            return [self._body(event)]
        self._has_body = start["status"] not in WITHOUT_BODY
        fields = [field for field in _fields(start) if self._passes(field[0].lower())]
        if not any(name.lower() == _LENGTH for name, _ in fields):
            fields += self._length(event)
        return [{**start, "headers": fields}, self._body(event)]

    def _passes(self, name: bytes) -> bool:
        """Whether a field of the application is sent: the server chooses the framing.

        RFC 9110 section 8.6: 204 must not have a Content-Length. 304 may have one, but uvicorn
        would then wait for a body of that length.
        """
        return name != b"transfer-encoding" and (self._has_body or name != _LENGTH)

    def _length(self, event: Mapping[str, object]) -> list[tuple[bytes, bytes]]:
        size = len(cast(bytes, event.get("body", b"")))
        if not self._has_body or (self._is_head and not size):
            return []  # HEAD: without a body from the application, the length of GET is unknown
        if self.is_complete:
            return [(_LENGTH, b"%d" % size)]
        self.is_until_close = self._is_old and not self._is_head
        return []

    def _body(self, event: Mapping[str, object]) -> Mapping[str, object]:
        return event if self._has_body else {**event, "body": b""}


def _fields(start: Mapping[str, object]) -> Fields:
    return cast(Fields, start.get("headers", ()))
