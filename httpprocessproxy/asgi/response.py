"""An application's response: its events are checked for ASGI's order, and written to a `Stream`.

The rule: a response is complete and as long as its Content-Length, or the client can detect that it
is not (RFC 9113 section 8.1.1, RFC 9114 section 4.1.2).
"""

from collections.abc import Iterable, Mapping
from email.utils import formatdate
from typing import Final, cast

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.requests import check_field
from httpprocessproxy.frontends.streams import NOT_PASSED, Fields, Stream, StreamReset

FAILURE: Final = b"Internal Server Error"
FAILURE_FIELDS: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(FAILURE)),
)

WITHOUT_BODY: Final = (204, 304)


class ApplicationResponse:
    """One response: `send` takes the application's events, `fail` ends it after a failure."""

    def __init__(self, stream: Stream, method: bytes) -> None:
        self.has_started = False
        self.is_complete = False
        self._stream = stream
        self._is_head = method == b"HEAD"
        self._has_body = not self._is_head
        self._held: tuple[int, Fields] | None = None
        self._left_bytes: int | None = None  # of what Content-Length promises
        self._has_trailers = False
        self._trailers: list[tuple[bytes, bytes]] = []
        self._has_body_ended = False

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event. Raises RuntimeError for one out of turn, ValueError for a bad one."""
        kind = event["type"]
        if kind == "http.response.start" and not self.has_started:
            self._start(event)
        elif kind == "http.response.body" and self.has_started and not self._has_body_ended:
            self._send_body(event)
        elif kind == "http.response.trailers" and self._has_body_ended and not self.is_complete:
            self._send_trailers(event)
        else:
            raise RuntimeError(f"ASGI event {kind!r} out of turn")

    def fail(self) -> None:
        """Respond with 500; if the response has started already, reset the stream."""
        if self.has_started:
            self._stream.reset(StreamReset.INTERNAL)
        else:
            self._stream.head(500, with_date(FAILURE_FIELDS))
            self._stream.body(b"" if self._is_head else FAILURE)
            self._stream.end()
        self.has_started = self.is_complete = True

    def _start(self, event: Mapping[str, object]) -> None:
        status = event["status"]
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise ValueError(f"not the status of a response: {status!r}")
        fields = checked(event.get("headers", ()))
        lengths = [value for name, value in fields if name == b"content-length"]
        self._has_body = not self._is_head and status not in WITHOUT_BODY
        self._left_bytes = int(lengths[0]) if lengths and self._has_body else None
        if status == 204:  # RFC 9110 section 8.6: no Content-Length in a 204
            fields = [field for field in fields if field[0] != b"content-length"]
        self._has_trailers = bool(event.get("trailers", False))
        # ASGI: nothing is sent before the first event of the body.
        self._held = status, with_date(fields)
        self.has_started = True

    def _send_body(self, event: Mapping[str, object]) -> None:
        data = bytes(cast(bytes, event.get("body", b""))) if self._has_body else b""
        more = bool(event.get("more_body", False))
        if self._left_bytes is not None:
            self._left_bytes -= len(data)
            if self._left_bytes < 0 or (self._left_bytes and not more):
                raise RuntimeError("a body that is not as long as Content-Length says")
        if self._held is not None:
            self._stream.head(*self._held)
            self._held = None
        self._stream.body(data)
        if not more:
            self._has_body_ended = True
            if not self._has_trailers:
                self._end()

    def _send_trailers(self, event: Mapping[str, object]) -> None:
        self._trailers += checked(event.get("headers", ()))
        if not event.get("more_trailers", False):
            self._end()

    def _end(self) -> None:
        self.is_complete = True
        self._stream.end(self._trailers)


def checked(headers: object) -> list[tuple[bytes, bytes]]:
    """An application's header fields, names in lower case, without those of the server.

    Raises ValueError for a malformed field.
    """
    fields = []
    for name, value in cast(Iterable[tuple[bytes, bytes]], headers):
        field = bytes(name).lower(), bytes(value).strip(b" \t")
        if field[0] not in NOT_PASSED:
            fields.append(field)
            try:
                check_field(*field)
            except RequestError as error:
                raise ValueError(str(error)) from error
    return fields


def with_date(fields: Fields) -> Fields:
    """The fields with Date, which a server with a clock must send (RFC 9110 section 6.6.1)."""
    if any(name.lower() == b"date" for name, _ in fields):
        return fields
    return [*fields, (b"date", formatdate(usegmt=True).encode())]
