"""Documents: HTML pages that a browser displays, and that get the script.

The rule: any response that is not certainly a document passes byte for byte. The request must be
for a document, not for data or for a part of a page, and the response must be complete HTML, not
encoded and not a download. Only those fields of the head change that the tag makes wrong. No I/O.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Final

from httpprocessproxy.core.errors import BodyError
from httpprocessproxy.core.http.bodies import Body, Chunked, Length, UntilClose
from httpprocessproxy.core.http.headers import outgoing_response
from httpprocessproxy.core.http.http1 import Fields, ResponseHead
from httpprocessproxy.core.http.negotiate import accepts
from httpprocessproxy.core.http.request import Request, Response
from httpprocessproxy.core.http.validators import dated, marked, unmarked
from httpprocessproxy.core.page import csp
from httpprocessproxy.core.page.inject import InjectedBody, Injection
from httpprocessproxy.core.page.plain_errors import CONTENT_TYPE, WrappedBody, wraps

# Fetch Metadata (W3C), section 2.1. A browser sends it to secure contexts, localhost among them.
_DESTINATIONS: Final = frozenset((b"document", b"iframe", b"frame"))

# Fields of requests for a part of a page: htmx, Turbo and its ancestors, Unpoly, Alpine AJAX,
# Datastar, any library that fetches by XMLHttpRequest; and Range, for a part of the bytes.
_PARTIAL: Final = frozenset(
    b"hx-request turbo-frame x-turbo-request-id turbolinks-referrer x-pjax x-up-version x-up-target"
    b" x-up-mode x-alpine-request datastar-request x-requested-with range".split()
)

# 205 has no content, 206 has a part of it, and only the backend knows the other parts.
_PARTIAL_STATUSES: Final = frozenset((101, 204, 205, 206))

_HTML: Final = re.compile(rb"text/html[ \t]*(?:;(?P<parameters>.*))?", re.IGNORECASE)
_CHARSET: Final = re.compile(
    rb"(?:^|;)[ \t]*charset=(?:\"(?P<quoted>[^\"]*)\"|(?P<token>[^;]*))", re.IGNORECASE
)
# Encodings in which a tag in ASCII is not readable (Encoding Standard, section 4.2, and UTF-32).
_WIDE: Final = frozenset(
    b"unicodefffe utf-16be csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"
    b" utf-32 utf-32le utf-32be".split()
)
# The first byte of a byte order mark of UTF-16, whatever the head declares. No page in another
# encoding begins so.
_WIDE_MARKS: Final = (b"\xff", b"\xfe")

# Digests (RFC 9530, RFC 3230, RFC 1864) are removed: they would not match the changed bytes, and a
# browser that displays a page does not need them.
_INVALIDATED: Final = frozenset(
    b"content-digest repr-digest digest content-md5 accept-ranges".split()
)

# Without the first, a browser would try to resume a page that was cut, with a part of other bytes;
# without the second, it would serve its cached page to a script that fetches the same URL.
_ADDED: Final = [(b"Accept-Ranges", b"none"), (b"Vary", b"Sec-Fetch-Dest, Sec-Fetch-Mode, Accept")]

# Fields that describe the bytes of a plain error, and not the page that shows it.
_CONTENT_FIELDS: Final = _INVALIDATED | frozenset(
    b"content-type content-length etag last-modified".split()
)

_POLICY: Final = b"content-security-policy"

# Integrity-Policy (Subresource Integrity, level 2): a script without `integrity` is blocked or
# reported. Other pages get a tag without it: a page in a browser's cache outlives an update.
_INTEGRITY_POLICIES: Final = frozenset((b"integrity-policy", b"integrity-policy-report-only"))


class Injector:
    """Recognizes requests for documents, and injects the script into their responses."""

    def __init__(self, nonce: bytes, report: Callable[[str], None], integrity: bytes = b"") -> None:
        """`nonce`, in base64 and new in each run, is for policies that need one from the proxy.

        `report` is called for the first page that is left unchanged because of a policy in a
        `<meta>`. `integrity` is the digest of the script, for pages that require it.
        """
        self._nonce = nonce
        self._integrity = integrity
        # The next run may put another nonce into the page, which makes it another page.
        self._mark = b"-hpp-" + nonce[:8]
        self._report: Callable[[str], None] | None = report

    def request_fields(self, fields: Fields) -> Fields | None:
        """Return the fields for the backend of a request; None if it is not for a document."""
        if not asks_for_document(fields):
            return None
        return [
            (name, b"identity" if name.lower() == b"accept-encoding" else value)
            for name, value in unmarked(fields, self._mark)
        ]

    def inject(
        self,
        head: ResponseHead,
        response: Response,
        request: Request,
        rest: bytes,
        *,
        has_ended: bool = False,
    ) -> Response | None:
        """Return the response with the script, or the response itself if it is not a document.

        `head` is its head as received, `rest` the bytes after it; `has_ended`: no more will come.
        Returns None if the decision depends on content of which no byte has arrived.
        """
        if not _is_document(head):
            is_alone = _is_whole(head) and wraps(head, request)
            return self._wrapped(head, response, request) if is_alone else response
        permission = csp.permit(_values(head.fields, _POLICY), self._nonce)
        if permission is None:
            return response
        tag = self._tag(head, permission.nonce, request)
        head_with_tag = self._head_with_tag(head, permission.values, len(tag))
        if request.method == b"HEAD" or head.status == 304:
            return outgoing_response(head_with_tag, request)
        try:
            content, is_whole = _read_content(response.body, rest)
        except BodyError:
            return response
        if not content:
            is_empty = is_whole or (has_ended and isinstance(response.body, UntilClose))
            if is_empty and wraps(head, request, is_empty=True):
                return self._wrapped(head, response, request)
            return response if is_whole or has_ended else None
        if content.startswith(_WIDE_MARKS) or self._is_forbidden(content, request):
            return response
        body = InjectedBody(
            _content_reader(response.body),
            Injection(tag),
            chunked=not (isinstance(response.body, Length) or request.takes_content),
            invalidated=_INVALIDATED,
        )
        return dataclasses.replace(outgoing_response(head_with_tag, request), body=body)

    def _wrapped(self, head: ResponseHead, response: Response, request: Request) -> Response:
        """Return a page that shows a plain error, or the error if its policy forbids the script."""
        permission = csp.permit(_values(head.fields, _POLICY), self._nonce)
        if permission is None:
            return response
        policy = iter(permission.values)
        fields = [
            (name, next(policy) if name.lower() == _POLICY else value)
            for name, value in head.fields
            if name.lower() not in _CONTENT_FIELDS
        ]
        page = dataclasses.replace(head, fields=[*fields, (b"Content-Type", CONTENT_TYPE), *_ADDED])
        tag = self._tag(head, permission.nonce, request)
        chunked = not request.takes_content
        return dataclasses.replace(
            outgoing_response(page, request),
            body=WrappedBody(_content_reader(response.body), head, tag, chunked=chunked),
            backend_keep_alive=response.backend_keep_alive,
        )

    def _tag(self, head: ResponseHead, nonce: bytes, request: Request) -> bytes:
        """Return the script's tag; `data-unsafe` marks a page whose reload would repeat an action.

        The script is not async: it has to remove its tag before the page's own scripts compare the
        page with what they would have rendered (React's `hydrateRoot(document)`).
        """
        wants_integrity = any(name.lower() in _INTEGRITY_POLICIES for name, _ in head.fields)
        attributes = (
            b' nonce="%b"' % nonce if nonce else b"",
            b' integrity="%b" crossorigin' % self._integrity if wants_integrity else b"",
            b"" if request.is_safe else b" data-unsafe",
        )
        return b'<script src="/_hpp/client.js"%b%b%b></script>' % attributes

    def _head_with_tag(
        self, head: ResponseHead, policies: list[bytes], tag_bytes: int
    ) -> ResponseHead:
        """Return the head of a page with a tag of this size, or of the 304 that confirms it."""
        policy = iter(policies)
        fields: Fields = []
        for name, value in head.fields:
            lower = name.lower()
            if lower in _INVALIDATED or (lower == b"content-length" and head.status == 304):
                continue
            if lower == _POLICY:
                value = next(policy)
            elif lower == b"etag":
                value = marked(value, self._mark)
            elif lower == b"content-length":
                value = b"%d" % (int(value) + tag_bytes)
            fields.append((name, value))
        if not _values(fields, b"etag"):
            # A browser would revalidate by the date, which cannot carry the mark.
            tag = dated(b"".join(_values(fields, b"last-modified")), self._mark)
            fields += [(b"ETag", tag)] if tag is not None else []
        return dataclasses.replace(head, fields=fields if head.status == 304 else fields + _ADDED)

    def _is_forbidden(self, content: bytes, request: Request) -> bool:
        is_forbidden = csp.has_meta_policy(content)
        if is_forbidden and self._report is not None:
            path = request.target.partition(b"?")[0][:200].decode("ascii", "replace")
            self._report(
                f"{path}: its own policy, in a <meta>, is respected: no script is injected"
            )
            self._report = None
        return is_forbidden


def asks_for_document(fields: Fields) -> bool:
    """Whether a request with these fields is for a page to be displayed."""
    values = {name.lower(): value for name, value in fields}
    if not _PARTIAL.isdisjoint(values):
        return False
    destination = values.get(b"sec-fetch-dest")
    if destination is None:
        return accepts(values.get(b"accept", b""), "text/html")
    if destination == b"empty" and values.get(b"sec-fetch-mode") == b"navigate":
        # A page's service worker sends the request for the browser, with mode and Accept unchanged.
        # A download (<a download>) has the mode, too, but no Accept.
        return accepts(values.get(b"accept", b""), "text/html")
    return destination.lower() in _DESTINATIONS


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key.lower() == name]


def _is_document(head: ResponseHead) -> bool:
    types = _values(head.fields, b"content-type")
    if head.status == 304:
        # RFC 9110 section 15.4.5: a 304 need not repeat the content type.
        return not types or _is_html(types)
    return (
        b"0" not in _values(head.fields, b"content-length") and _is_html(types) and _is_whole(head)
    )


def _is_whole(head: ResponseHead) -> bool:
    """Whether a response is complete, displayed by the browser, and may be transformed."""
    return (
        head.status not in _PARTIAL_STATUSES
        and not _values(head.fields, b"content-range")
        and all(map(_is_identity, _values(head.fields, b"content-encoding")))
        and all(map(_is_inline, _values(head.fields, b"content-disposition")))
        # RFC 9111 section 5.2.2.6: intermediaries must not transform it.
        and not any(map(_forbids_transforming, _values(head.fields, b"cache-control")))
    )


def _is_html(types: list[bytes]) -> bool:
    match = _HTML.fullmatch(types[0]) if len(types) == 1 else None
    if match is None:
        return False
    charset = _CHARSET.search(match["parameters"] or b"")
    return charset is None or (charset["quoted"] or charset["token"]).strip().lower() not in _WIDE


def _is_identity(coding: bytes) -> bool:
    return coding.lower() in (b"", b"identity")


def _is_inline(disposition: bytes) -> bool:
    """Whether a response is displayed; any other disposition is a download (RFC 6266 4.2)."""
    return disposition.partition(b";")[0].strip().lower() in (b"", b"inline")


def _forbids_transforming(directives: bytes) -> bool:
    return b"no-transform" in (directive.strip().lower() for directive in directives.split(b","))


def _read_content(body: Body, rest: bytes) -> tuple[bytes, bool]:
    """Return the content in `rest`, and whether it is complete. Raises BodyError."""
    bare = _content_reader(body)
    content = bare.feed(rest) if not bare.done else b""
    return content, bare.done


def _content_reader(body: Body) -> Body:
    """Return a reader of the content alone, for a body that has not begun."""
    if isinstance(body, Length):
        return Length(body.remaining)
    return UntilClose(chunked=False) if isinstance(body, UntilClose) else Chunked(decode=True)
