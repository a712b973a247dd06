"""Validation of HTTP/2 and HTTP/3 requests: fields in, a `Head` or a RequestError out. No I/O.

Both versions have the same rules (RFC 9113 sections 8.2 and 8.3.1, RFC 9114 sections 4.2 and 4.3).
A malformed request affects only its stream: it gets an error response, and the connection stays
open. A field name has to be a token: the request may be forwarded over HTTP/1.1, where any other
character could be misread.
"""

import re
from typing import Final, Literal

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.headers import HOP_BY_HOP
from httpprocessproxy.core.http.http1 import MAX_FIELDS, MAX_HEAD_BYTES, TOKEN
from httpprocessproxy.frontends.streams import Fields, Head, Stream

# RFC 9113 section 6.5.2: the overhead that counts for each field, in addition to its bytes.
FIELD_OVERHEAD_BYTES: Final = 32

# A set takes about 1 KB; the requests of a page have about ten sets.
MAX_CACHED_SETS: Final = 32
MAX_CACHED_SET_BYTES: Final = 8 * 1024

_METHOD = re.compile(TOKEN)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
# No control characters, and no white space at either end (RFC 9113 section 8.2.1).
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_PATH = re.compile(rb"/[!-~]*")

_PSEUDO: Final = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
# TE is allowed with the value `trailers` (RFC 9113 section 8.2.2).
_FORBIDDEN: Final = HOP_BY_HOP - {b"te"}


class HeadReader:
    """Reads the header sections of one connection; a repeated set of fields is checked once.

    A page fetches one module after the other, with heads that differ in the path only.
    """

    __slots__ = ("_cached", "_server", "_version")

    def __init__(self, version: Literal["2", "3"], server: tuple[str, int]) -> None:
        self._version = version
        self._server = server
        # Keyed by the position of `:path` and all other fields; the number is their size in bytes.
        self._cached: dict[tuple[object, ...], tuple[Head, int]] = {}

    def read(self, fields: Fields, client: tuple[str, int], *, has_ended: bool) -> Head:
        """Read a request's header section. Raises RequestError with the status of the response.

        `client` may change during a connection (RFC 9000 section 9). `has_ended`: the request has
        no body.
        """
        key: list[object] = [0]
        path = b""
        for field in fields:
            if field[0] == b":path":
                key[0] = len(key)
                path = field[1]
            else:
                key.append(field)
        cached = self._cached.get(tuple(key))
        if cached is None or len(key) != len(fields):
            head = self._parse(fields, client, has_ended=has_ended)
            self._store(tuple(key), head, fields)
            return head
        template, size_bytes = cached
        _check_path(template.method, path)
        if size_bytes + len(path) > MAX_HEAD_BYTES:
            raise _too_large()
        version, method, authority, _, passing, protocol, _, server, _, memo = template
        return Head(
            *(version, method, authority, path, passing, protocol, client, server),
            has_ended,
            memo,
        )

    def _parse(self, fields: Fields, client: tuple[str, int], *, has_ended: bool) -> Head:
        _check_size(fields)
        pseudo: dict[bytes, bytes] = {}
        regular: list[tuple[bytes, bytes]] = []
        for name, value in fields:
            if name.startswith(b":"):
                if name not in _PSEUDO or name in pseudo or regular:
                    raise RequestError(400, f"a misplaced or unknown field: {_shown(name)}")
                _check_value(name, value)
                pseudo[name] = value
            else:
                check_field(name, value)
                regular.append((name, value))
        method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
        protocol = pseudo.get(b":protocol")
        _check_control_data(method, path, pseudo.get(b":scheme", b""), protocol)
        return Head(
            version=self._version,
            method=method,
            authority=_authority(pseudo.get(b":authority"), regular),
            path=path,
            fields=_with_one_cookie([field for field in regular if field[0] != b"host"]),
            protocol=protocol,
            client=client,
            server=self._server,
            has_ended=has_ended,
            memo={},
        )

    def _store(self, key: tuple[object, ...], head: Head, fields: Fields) -> None:
        size_bytes = _size_of(fields) - len(head.path)
        if size_bytes > MAX_CACHED_SET_BYTES:
            return
        if len(self._cached) >= MAX_CACHED_SETS:
            self._cached.clear()
        self._cached[key] = head, size_bytes


def check_trailers(fields: Fields) -> None:
    """Raise RequestError for a trailer section that is malformed."""
    _check_size(fields)
    for name, value in fields:
        check_field(name, value)


def refuse(stream: Stream, error: RequestError) -> None:
    """Answer a request with an error that is not forwarded, and discard the rest of its body."""
    text = f"{error.status}: {error}\n".encode()
    stream.head(
        error.status,
        [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(text)),
            (b"cache-control", b"no-store"),
        ],
    )
    stream.body(text)
    stream.end()
    stream.stop_reading()


def _size_of(fields: Fields) -> int:
    return sum(len(name) + len(value) + FIELD_OVERHEAD_BYTES for name, value in fields)


def _too_large() -> RequestError:
    return RequestError(431, f"header fields of more than {MAX_HEAD_BYTES} bytes")


def _check_size(fields: Fields) -> None:
    if _size_of(fields) > MAX_HEAD_BYTES:
        raise _too_large()
    if len(fields) > MAX_FIELDS:
        raise RequestError(431, f"more than {MAX_FIELDS} header fields")


def check_field(name: bytes, value: bytes) -> None:
    """Raise RequestError for a field that a message must not have (RFC 9113 section 8.2)."""
    if _NAME.fullmatch(name) is None:
        raise RequestError(400, f"an invalid field name: {_shown(name)}")
    _check_value(name, value)
    if name in _FORBIDDEN or (name == b"te" and value.lower() != b"trailers"):
        raise RequestError(400, f"a connection-specific field: {_shown(name)}")


def _check_value(name: bytes, value: bytes) -> None:
    if _VALUE.fullmatch(value) is None:
        raise RequestError(400, f"a value of {_shown(name)} with invalid characters")


def _check_control_data(method: bytes, path: bytes, scheme: bytes, protocol: bytes | None) -> None:
    """Check the pseudo-header fields (RFC 9113 section 8.3.1; RFC 8441 section 4: `:protocol`)."""
    if _METHOD.fullmatch(method) is None:
        raise RequestError(400, "a request without a method")
    if method == b"CONNECT" and protocol is None:
        raise RequestError(405, "CONNECT: this is not an open proxy")
    if method != b"CONNECT" and protocol is not None:
        raise RequestError(400, ":protocol without CONNECT")
    if scheme.lower() not in (b"https", b"http"):
        raise RequestError(400, "a scheme other than https")
    _check_path(method, path)


def _check_path(method: bytes, path: bytes) -> None:
    if _PATH.fullmatch(path) is None and (method, path) != (b"OPTIONS", b"*"):
        raise RequestError(400, "an invalid :path")


def _authority(authority: bytes | None, fields: Fields) -> bytes:
    """Return `:authority`, or Host in its place; both have to agree (RFC 9113 section 8.3.1)."""
    named = {authority, *(value for name, value in fields if name == b"host")} - {None}
    if len(named) != 1:
        raise RequestError(400, "a request needs one authority")
    return named.pop() or b""


def _with_one_cookie(fields: list[tuple[bytes, bytes]]) -> Fields:
    """Join Cookie fields, which HTTP/2 may split for compression (RFC 9113 section 8.2.3)."""
    cookies = [value for name, value in fields if name == b"cookie"]
    if len(cookies) < 2:
        return fields
    others = [field for field in fields if field[0] != b"cookie"]
    return [*others, (b"cookie", b"; ".join(cookies))]


def _shown(name: bytes) -> str:
    return ascii(name[:60].decode("latin-1"))
