"""Heads read in turn: the hot path, so what repeats is read once.

A browser sends the same few sets of fields again and again, each time with another target; a
backend sends most lines of its heads again. What has been read is kept, in bounded memory: a known
set of fields costs a look-up instead of a parse, and so does a head all of whose lines are known.
`parse_request` and `parse_response` stay the judges: only what they have let pass is known. No I/O.
"""

import dataclasses
import re
from typing import Final, Protocol

from httpprocessproxy.core.http.bodies import Length
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import (
    OURS_IN_RESPONSES,
    Request,
    Response,
    outgoing_request,
)
from httpprocessproxy.core.http.hosts import HostRule, names_dashboard
from httpprocessproxy.core.http.http1 import (
    HEAD_END,
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    TOKEN,
    Fields,
    RequestHead,
    check_incomplete,
    parse_request,
)
from httpprocessproxy.core.http.redirects import URL_FIELDS
from httpprocessproxy.core.http.response_fields import (
    CACHING,
    DATE,
    HSTS,
    LAST_MODIFIED,
    MIN_AGE_S,
    NO_CACHE,
    is_local,
)
from httpprocessproxy.core.http.validators import http_date
from httpprocessproxy.core.page.documents import Injector, asks_for_document

# A request line whose target is a path (RFC 9112 section 3.2.1); `parse_request` takes others too.
_PATH: Final = re.compile(rb"/[!-~\x80-\xff]*")
_ORIGIN_FORM: Final = re.compile(rb"(%b) (%b) HTTP/1\.([01])" % (TOKEN, _PATH.pattern))

# Of a target, whatever is before and behind it in its line.
_SURELY_SHORT_BYTES: Final = MAX_LINE_BYTES // 2

# Some 2 KB each; a page's requests come with about ten. A reader serves one peer, and peers may be
# many, so their bytes are bounded as well as their number.
MAX_KNOWN_FIELDS: Final = 128
MAX_KNOWN_SET_BYTES: Final = 16 * 1024
MAX_KNOWN_BYTES: Final = 256 * 1024

# Lines up to this size, so many of them: half a megabyte at most.
MAX_KNOWN_LINES: Final = 1024
MAX_KNOWN_LINE_BYTES: Final = 512


class Interceptors(Protocol):
    """Which requests do not go straight to the backend; asked once for each set of fields."""

    def takes(self, head: RequestHead) -> bool:
        """Whether a request takes the detour, by its head as it came."""

    def passing(self, fields: Fields) -> Fields:
        """What of the fields of any other request is for the backend."""


class RequestReader:
    """Turns one peer's heads into the requests to send on; `via` is our own element of Via.

    `hosts` are those it may ask; `injector` says what those for documents ask, into which our
    script goes; `interceptors` which do not go straight to the backend.
    """

    __slots__ = (
        *("_interceptors", "_hosts", "_injector", "_known", "_known_bytes", "_via", "peer"),
        *("_last", "_last_begin", "_last_end"),
    )

    def __init__(
        self,
        peer: Peer,
        via: bytes,
        hosts: HostRule | None = None,
        injector: Injector | None = None,
        interceptors: Interceptors | None = None,
    ) -> None:
        self.peer = peer
        self._via = via
        self._hosts = hosts
        self._injector = injector
        self._interceptors = interceptors
        # By method, version and all behind the request line.
        self._known: dict[tuple[bytes, bytes, bytes], Request] = {}
        self._known_bytes = 0
        # The last of these, and all of its head but the target.
        self._last: Request | None = None
        self._last_begin = self._last_end = b""

    def take(self, data: bytes) -> tuple[Request, bytes] | None:
        """Read the first head: its request, and what is behind it. None if it is not whole yet.

        Raises RequestError.
        """
        last = self._last
        if last is not None and data.startswith(self._last_begin) and data.endswith(self._last_end):
            # So a page asks for one module after the other. What is between is a target, or not.
            target = data[len(self._last_begin) : -len(self._last_end)]
            if _PATH.fullmatch(target) and len(target) < _SURELY_SHORT_BYTES:
                return _with_target(last, target), b""
        end = data.find(HEAD_END)
        if end < 0:
            check_incomplete(data)
            return None
        end += len(HEAD_END)
        return self.read(data[:end]), data[end:]

    def read(self, head: bytes) -> Request:
        """Read a whole head, its empty line included. Raises RequestError."""
        line_end = head.index(b"\r\n")
        line = _ORIGIN_FORM.fullmatch(head, 0, line_end)
        if line is None or line_end > MAX_LINE_BYTES:
            # An absolute-form target has a say in Host: that is nothing to remember.
            return self._parse(head)
        method, target, version = line.groups()
        key = method, version, head[line_end:]
        known = self._known.get(key)
        if known is None:
            request = self._parse(head)
            if not request.is_intercepted:  # so what is known does not, and nobody has to ask
                self._remember(key, request)
            return request
        self._last = known
        self._last_begin, self._last_end = head[: line.start(2)], head[line.end(2) :]
        return _with_target(known, target)

    def _parse(self, head: bytes) -> Request:
        parsed = parse_request(head)
        interceptors = self._interceptors
        is_intercepted = interceptors is not None and interceptors.takes(parsed)
        if interceptors is not None and not is_intercepted:
            parsed = dataclasses.replace(parsed, fields=interceptors.passing(parsed.fields))
        asking = self._injector.asking(parsed.fields) if self._injector is not None else None
        if asking is not None:
            parsed = dataclasses.replace(parsed, fields=asking)
        request = outgoing_request(parsed, self.peer, self._via)
        # HTTP/1.0 may come without a host.
        if self._hosts is not None and (request.host or not request.is_http10):
            self._hosts.check(request.host)
        request.is_document = asking is not None or (
            self._injector is None and asks_for_document(parsed.fields)
        )
        request.is_intercepted = is_intercepted
        # Every path is ours there: nothing of the backend may share the dashboard's origin.
        request.is_for_dashboard = self.peer.is_for_dashboard or names_dashboard(request.host)
        return request

    def _remember(self, key: tuple[bytes, bytes, bytes], request: Request) -> None:
        # Kept twice: as it came, and as it goes on.
        size_bytes = len(key[2]) + len(request.rest)
        if size_bytes > MAX_KNOWN_SET_BYTES:
            return
        self._known_bytes += size_bytes
        if len(self._known) >= MAX_KNOWN_FIELDS or self._known_bytes > MAX_KNOWN_BYTES:
            self._known.clear()
            self._known_bytes = size_bytes
        self._known[key] = request


def _with_target(known: Request, target: bytes) -> Request:
    return Request(
        known.method,
        target,
        known.host,
        known.accept,
        known.is_http10,
        known.rest,
        known.content_length,
        known.keep_alive,
        known.upgrade,
        known.is_safe,
        known.is_trusted,
        known.is_document,
        known.wants_fence,
        known.is_intercepted,
        known.is_for_dashboard,
    )


class ResponseReader:
    """Turns a backend's final heads into the responses to pass on.

    Known lines are those of heads that were read whole. Which of them may stand together needs no
    look at their grammar: at most one Content-Length, and no line here steers anything else.
    """

    __slots__ = (
        *("_adds_no_cache", "_caching", "_dates", "_found", "_host", "_hsts", "_last"),
        *("_lengths", "_lines", "_modified", "_status_lines"),
    )

    def __init__(self, *, adds_no_cache: bool = True) -> None:
        """`adds_no_cache`: as `ResponseFields`, whose rules hold for known lines, too."""
        self._adds_no_cache = adds_no_cache
        self._status_lines: dict[bytes, int] = {}
        # By line: what to send on in its place; nothing for a field of the connection, or for one
        # of the body's length, which goes last.
        self._lines: dict[bytes, bytes] = {}
        self._lengths: dict[bytes, int] = {}
        # Lines whose part in a response hangs on its other lines, or on the host that was asked.
        self._modified: dict[bytes, float] = {}
        self._dates: dict[bytes, float] = {}
        self._caching: set[bytes] = set()
        self._hsts: set[bytes] = set()
        # The last head, and what was found in it: who polls gets it again and again.
        self._last = self._host = b""
        self._found: tuple[int, bytes, int] | None = None

    def read(self, head: bytes, request: Request) -> Response | None:
        """Read a whole final head, if all its lines are known; else None."""
        if request.method == b"HEAD":
            return None
        if head != self._last or request.host != self._host or self._found is None:
            self._last, self._host = head, request.host
            self._found = self._look_up(head)
        if self._found is None:
            return None
        status, out, length = self._found
        return Response(status, out, Length(length), request.keep_alive, True, b"")

    def _look_up(self, head: bytes) -> tuple[int, bytes, int] | None:
        """The status, what to send on, and the body's length; None if a line is not known."""
        status_line, *lines = head[: -len(HEAD_END)].split(b"\r\n")
        status = self._status_lines.get(status_line)
        if status is None or len(head) > MAX_HEAD_BYTES:
            return None
        out, known, lengths = [status_line], self._lines, self._lengths
        length_line = modified_line = b""
        try:
            for line in lines:
                if passing := known[line]:
                    out.append(passing)
                elif line in lengths:
                    if length_line:
                        return None
                    length_line = line
                elif line in self._modified:
                    out.append(line)
                    modified_line = line
                elif line in self._hsts and not is_local(self._host):
                    out.append(line)
            if modified_line:
                if not self._is_validator(modified_line, lines):
                    return None
                if self._adds_no_cache and self._caching.isdisjoint(lines):
                    out.append(b"%b: %b" % NO_CACHE)
            length = lengths[length_line]
        except KeyError:
            return None
        out += (length_line, b"")
        return status, b"\r\n".join(out), length

    def _is_validator(self, modified_line: bytes, lines: list[bytes]) -> bool:
        """Whether a Last-Modified is old enough to be passed on, by the response's own date."""
        dates = self._dates
        for line in lines:
            if line in dates:
                return dates[line] - self._modified[modified_line] >= MIN_AGE_S
        return False

    def learn(self, head: bytes, response: Response) -> None:
        """Remember the lines of a head that was read whole, if they steer no more than a length."""
        status_line, *lines = head[: -len(HEAD_END)].split(b"\r\n")
        if response.status in (101, 204, 304) or not response.head.startswith(
            status_line + b"\r\n"
        ):
            return
        if len(self._lines) + len(lines) > MAX_KNOWN_LINES:
            for known in (self._lines, self._lengths, self._status_lines, self._modified):
                known.clear()
            for kept in (self._dates, self._caching, self._hsts):
                kept.clear()
        self._status_lines[status_line] = response.status
        for line in lines:
            if len(line) <= MAX_KNOWN_LINE_BYTES:
                self._learn_line(line)

    def _learn_line(self, line: bytes) -> None:
        name, _, rest = line.partition(b":")
        lower, value = name.lower(), rest[1:]
        if rest != b" " + value.strip():
            return  # written in another way than we would
        if lower == b"content-length":
            self._lines[line], self._lengths[line] = b"", int(value)
        elif lower == b"keep-alive" or (lower, value.lower()) == (b"connection", b"keep-alive"):
            self._lines[line] = b""
        elif lower == LAST_MODIFIED:
            self._learn_time(line, value, self._modified, b"")
        elif lower == HSTS:
            self._hsts.add(line)
            self._lines[line] = b""
        elif lower == DATE:
            self._learn_time(line, value, self._dates, line)
        elif lower not in OURS_IN_RESPONSES and not (lower in URL_FIELDS and b"//" in value):
            if lower in CACHING:
                self._caching.add(line)
            self._lines[line] = line

    def _learn_time(
        self, line: bytes, value: bytes, times: dict[bytes, float], passing: bytes
    ) -> None:
        time = http_date(value)
        if time is not None:
            times[line], self._lines[line] = time, passing
