"""Caches of parsed heads for the hot path: repeated heads are parsed once.

A browser sends the same few sets of fields again and again, each time with another target; a
backend repeats most lines of its heads. Parsed heads are cached in bounded memory: a cached set of
fields costs a look-up instead of a parse, and so does a response head of cached lines. Only heads
that `parse_request` and `parse_response` have accepted enter a cache. No I/O.
"""

import dataclasses
import re
from typing import Final, Protocol

from httpprocessproxy.core.http.bodies import Length
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import OWN_IN_RESPONSES, outgoing_request
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
from httpprocessproxy.core.http.request import Request, Response
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

# A target below this size fits into MAX_LINE_BYTES with any method and version around it.
SHORT_BYTES: Final = MAX_LINE_BYTES // 2

# About 2 KB each; the requests of a page have about ten sets. A reader serves one peer, and there
# may be many peers, so both the number and the bytes of the cached sets are bounded.
MAX_CACHED_FIELDS: Final = 128
MAX_CACHED_SET_BYTES: Final = 16 * 1024
MAX_CACHED_BYTES: Final = 256 * 1024

# At most 512 KiB: the number of cached lines, and the size of the longest one.
MAX_CACHED_LINES: Final = 1024
MAX_CACHED_LINE_BYTES: Final = 512


class Interceptors(Protocol):
    """Selects requests that do not go directly to the backend; asked once per set of fields."""

    def takes(self, head: RequestHead) -> bool:
        """Whether a request with this head, as received, is intercepted."""

    def passing(self, fields: Fields) -> Fields:
        """Return the fields of any other request that pass to the backend."""


class RequestReader:
    """Turns the request heads of one peer into the requests to send on.

    `via` is the proxy's own element of Via, `hosts` the allow-list of hosts. `injector` rewrites
    the fields of requests for documents that get a script; `interceptors` select the requests that
    do not go directly to the backend.
    """

    __slots__ = (
        *("_interceptors", "_hosts", "_injector", "_cached", "_cached_bytes", "_via", "peer"),
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
        # Keyed by method, version and the head after the request line.
        self._cached: dict[tuple[bytes, bytes, bytes], Request] = {}
        self._cached_bytes = 0
        # The last cached request, and its head before and after the target.
        self._last: Request | None = None
        self._last_begin = self._last_end = b""

    def take(self, data: bytes) -> tuple[Request, bytes] | None:
        """Read the first head: return its request and the bytes after it; None if incomplete.

        Raises RequestError.
        """
        last = self._last
        if last is not None and data.startswith(self._last_begin) and data.endswith(self._last_end):
            # A page fetches one module after the other, with heads that differ in the target only.
            # The bytes in the middle may also be something else than a target.
            target = data[len(self._last_begin) : -len(self._last_end)]
            if _PATH.fullmatch(target) and len(target) < SHORT_BYTES:
                return with_target(last, target), b""
        end = data.find(HEAD_END)
        if end < 0:
            check_incomplete(data)
            return None
        end += len(HEAD_END)
        return self.read(data[:end]), data[end:]

    def read(self, head: bytes) -> Request:
        """Read a complete head, including its empty line. Raises RequestError."""
        line_end = head.index(b"\r\n")
        line = _ORIGIN_FORM.fullmatch(head, 0, line_end)
        if line is None or line_end > MAX_LINE_BYTES:
            # An absolute-form target replaces Host: the fields alone are not enough for a key.
            return self._parse(head)
        method, target, version = line.groups()
        key = method, version, head[line_end:]
        cached = self._cached.get(key)
        if cached is None:
            request = self._parse(head)
            if not request.is_intercepted:  # a cached request needs no call of `takes`
                self._store(key, request)
            return request
        self._last = cached
        self._last_begin, self._last_end = head[: line.start(2)], head[line.end(2) :]
        return with_target(cached, target)

    def _parse(self, head: bytes) -> Request:
        parsed = parse_request(head)
        interceptors = self._interceptors
        is_intercepted = interceptors is not None and interceptors.takes(parsed)
        if interceptors is not None and not is_intercepted:
            parsed = dataclasses.replace(parsed, fields=interceptors.passing(parsed.fields))
        rewritten = (
            self._injector.request_fields(parsed.fields) if self._injector is not None else None
        )
        if rewritten is not None:
            parsed = dataclasses.replace(parsed, fields=rewritten)
        request = outgoing_request(parsed, self.peer, self._via)
        # A request in HTTP/1.0 may lack Host.
        if self._hosts is not None and (request.host or not request.is_http10):
            self._hosts.check(request.host)
        request.is_document = rewritten is not None or (
            self._injector is None and asks_for_document(parsed.fields)
        )
        request.is_intercepted = is_intercepted
        # The dashboard serves every path of its host: no page of the backend may share its origin.
        request.is_for_dashboard = self.peer.is_for_dashboard or names_dashboard(request.host)
        return request

    def _store(self, key: tuple[bytes, bytes, bytes], request: Request) -> None:
        # A set is stored twice: as received and as sent on.
        size_bytes = len(key[2]) + len(request.rest)
        if size_bytes > MAX_CACHED_SET_BYTES:
            return
        self._cached_bytes += size_bytes
        if len(self._cached) >= MAX_CACHED_FIELDS or self._cached_bytes > MAX_CACHED_BYTES:
            self._cached.clear()
            self._cached_bytes = size_bytes
        self._cached[key] = request


def with_target(cached: Request, target: bytes) -> Request:
    """Return a request that differs from `cached` in its target, a path of SHORT_BYTES at most."""
    return Request(
        cached.method,
        target,
        cached.host,
        cached.accept,
        cached.is_http10,
        cached.rest,
        cached.content_length,
        cached.keep_alive,
        cached.upgrade,
        cached.is_safe,
        cached.is_trusted,
        cached.is_document,
        cached.wants_fence,
        cached.is_intercepted,
        cached.is_for_dashboard,
        cached.is_stream,
    )


class ResponseReader:
    """Turns a backend's final response heads into the responses to pass on.

    Cached lines come from heads that were parsed completely. Any combination of them is valid with
    at most one Content-Length, since no other cached line affects framing or persistence.
    """

    __slots__ = (
        *("_adds_no_cache", "_caching", "_dates", "_found", "_host", "_hsts", "_last"),
        *("_lengths", "_lines", "_mark_of_urls", "_modified", "_status_lines"),
    )

    def __init__(self, *, adds_no_cache: bool = True, strips: bool = False) -> None:
        """`adds_no_cache` is as in `ResponseFields`, whose rules hold for cached lines, too.

        With `strips`, paths in responses depend on the route of the request.
        """
        self._adds_no_cache = adds_no_cache
        self._mark_of_urls = b"/" if strips else b"//"
        self._status_lines: dict[bytes, int] = {}
        # Maps a received line to the line to send on: b"" for a hop-by-hop field, and for
        # Content-Length, which is written last.
        self._lines: dict[bytes, bytes] = {}
        self._lengths: dict[bytes, int] = {}
        # Lines whose treatment depends on the other lines of the head, or on the requested host.
        self._modified: dict[bytes, float] = {}
        self._dates: dict[bytes, float] = {}
        self._caching: set[bytes] = set()
        self._hsts: set[bytes] = set()
        # The last head and its look-up: a polling client gets the same head repeatedly.
        self._last = self._host = b""
        self._found: tuple[int, bytes, int] | None = None

    def read(self, head: bytes, request: Request) -> Response | None:
        """Read a complete final head if all its lines are cached; else return None."""
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
        """Return status, head to send on and body length (bytes); None if a line is unknown."""
        status_line, *lines = head[: -len(HEAD_END)].split(b"\r\n")
        status = self._status_lines.get(status_line)
        if status is None or len(head) > MAX_HEAD_BYTES:
            return None
        out, cached, lengths = [status_line], self._lines, self._lengths
        length_line = modified_line = b""
        try:
            for line in lines:
                if passing := cached[line]:
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
        """Whether a Last-Modified is at least MIN_AGE_S older than the response's Date."""
        dates = self._dates
        for line in lines:
            if line in dates:
                return dates[line] - self._modified[modified_line] >= MIN_AGE_S
        return False

    def learn(self, head: bytes, response: Response) -> None:
        """Cache the lines of a completely parsed head, if they control no more than the length."""
        status_line, *lines = head[: -len(HEAD_END)].split(b"\r\n")
        if response.status in (101, 204, 304) or not response.head.startswith(
            status_line + b"\r\n"
        ):
            return
        if len(self._lines) + len(lines) > MAX_CACHED_LINES:
            for cache in (self._lines, self._lengths, self._status_lines, self._modified):
                cache.clear()
            for lines_seen in (self._dates, self._caching, self._hsts):
                lines_seen.clear()
        self._status_lines[status_line] = response.status
        for line in lines:
            if len(line) <= MAX_CACHED_LINE_BYTES:
                self._learn_line(line)

    def _learn_line(self, line: bytes) -> None:
        name, _, rest = line.partition(b":")
        lower, value = name.lower(), rest[1:]
        if rest != b" " + value.strip():
            return  # spelled otherwise than the proxy would write it
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
        elif lower not in OWN_IN_RESPONSES and not (
            lower in URL_FIELDS and self._mark_of_urls in value
        ):
            if lower in CACHING:
                self._caching.add(line)
            self._lines[line] = line

    def _learn_time(
        self, line: bytes, value: bytes, times: dict[bytes, float], passing: bytes
    ) -> None:
        time = http_date(value)
        if time is not None:
            times[line], self._lines[line] = time, passing
