"""Documents: the pages of HTML that a browser shows, into which our script goes.

The rule: what is not certainly one passes byte for byte. The request must ask for a document, not
for data or for a part of a page, and the response must be HTML, whole, not encoded and not to be
kept as a file. Of a document's head only what would no longer be true is changed. No I/O.
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

# Who asks for a part of a page: htmx, Turbo and its ancestors, Unpoly, Alpine AJAX, Datastar,
# anything that fetches by XMLHttpRequest; and who asks for a part of the bytes.
_PARTIAL: Final = frozenset(
    b"hx-request turbo-frame x-turbo-request-id turbolinks-referrer x-pjax x-up-version x-up-target"
    b" x-up-mode x-alpine-request datastar-request x-requested-with range".split()
)

# 205 has no content, 206 has some of it, and how that continues is known to the backend alone.
_PARTIAL_STATUSES: Final = frozenset((101, 204, 205, 206))

_HTML: Final = re.compile(rb"text/html[ \t]*(?:;(?P<parameters>.*))?", re.IGNORECASE)
_CHARSET: Final = re.compile(
    rb"(?:^|;)[ \t]*charset=(?:\"(?P<quoted>[^\"]*)\"|(?P<token>[^;]*))", re.IGNORECASE
)
# Encodings in which a tag of ASCII would be rubbish (Encoding Standard, section 4.2, and UTF-32).
_WIDE: Final = frozenset(
    b"unicodefffe utf-16be csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"
    b" utf-32 utf-32le utf-32be".split()
)
# How a page in UTF-16 begins, whatever its head says. No other one does.
_WIDE_MARKS: Final = (b"\xff", b"\xfe")

# Digests (RFC 9530, RFC 3230, RFC 1864) are dropped rather than passed: they would be those of
# other bytes, and a browser that shows a page asks for none.
_NO_LONGER_TRUE: Final = frozenset(
    b"content-digest repr-digest digest content-md5 accept-ranges".split()
)

# A browser would try to go on with what it has of a page that was cut, with a part of another one;
# and for a script that fetches the same URL, it would take what it has kept of the page.
_ADDED: Final = [(b"Accept-Ranges", b"none"), (b"Vary", b"Sec-Fetch-Dest, Sec-Fetch-Mode, Accept")]

# What describes the bytes of a plain error, and not the page that shows it.
_OF_OTHER_CONTENT: Final = _NO_LONGER_TRUE | frozenset(
    b"content-type content-length etag last-modified".split()
)

_POLICY: Final = b"content-security-policy"

# Integrity-Policy (Subresource Integrity, level 2): no script without `integrity` runs, or each is
# reported. Elsewhere the tag does without: a page that a browser has kept outlives an update.
_INTEGRITY_POLICIES: Final = frozenset((b"integrity-policy", b"integrity-policy-report-only"))


class Injector:
    """Knows requests for documents, and makes of their responses what goes to the client."""

    def __init__(self, nonce: bytes, tell: Callable[[str], None], integrity: bytes = b"") -> None:
        """`nonce` is for policies that need one of ours: in base64, and new in each run.

        `tell` hears of the first page that is left alone for a policy in a `<meta>`. `integrity` is
        the digest of the script, for pages that demand it.
        """
        self._nonce = nonce
        self._integrity = integrity
        # In the next run, another nonce may have to be in the page: it is another page then.
        self._mark = b"-hpp-" + nonce[:8]
        self._tell: Callable[[str], None] | None = tell

    def asking(self, fields: Fields) -> Fields | None:
        """What a request with these fields asks the backend; None if it is not for a document."""
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
        """Return what becomes of a response: itself, if it is no document.

        `head` is its head as it came, `rest` what there is behind it; `has_ended`: and nothing
        more will come. None: it depends on its content, of which nothing has come.
        """
        if not _is_document(head):
            is_alone = _is_whole(head) and wraps(head, request)
            return self._wrapped(head, response, request) if is_alone else response
        permission = csp.permit(_values(head.fields, _POLICY), self._nonce)
        if permission is None:
            return response
        tag = self._tag(head, permission.nonce, request)
        mended = self._mended(head, permission.values, len(tag))
        if request.method == b"HEAD" or head.status == 304:
            return outgoing_response(mended, request)
        try:
            content, is_whole = _look(response.body, rest)
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
            _bare(response.body),
            Injection(tag),
            chunked=not (isinstance(response.body, Length) or request.is_http10),
            untrue=_NO_LONGER_TRUE,
        )
        return dataclasses.replace(outgoing_response(mended, request), body=body)

    def _wrapped(self, head: ResponseHead, response: Response, request: Request) -> Response:
        """The page that shows a plain error; the error itself, if its policy forbids our script."""
        permission = csp.permit(_values(head.fields, _POLICY), self._nonce)
        if permission is None:
            return response
        policy = iter(permission.values)
        fields = [
            (name, next(policy) if name.lower() == _POLICY else value)
            for name, value in head.fields
            if name.lower() not in _OF_OTHER_CONTENT
        ]
        page = dataclasses.replace(head, fields=[*fields, (b"Content-Type", CONTENT_TYPE), *_ADDED])
        tag = self._tag(head, permission.nonce, request)
        chunked = not request.is_http10
        return dataclasses.replace(
            outgoing_response(page, request),
            body=WrappedBody(_bare(response.body), head, tag, chunked=chunked),
            backend_keep_alive=response.backend_keep_alive,
        )

    def _tag(self, head: ResponseHead, nonce: bytes, request: Request) -> bytes:
        """The script finds in its tag whether a reload of the page would do something once more.

        It is not async: it has to take its tag out of the page before the page's own scripts
        compare the page with what they would have rendered (React's `hydrateRoot(document)`).
        """
        wants_integrity = any(name.lower() in _INTEGRITY_POLICIES for name, _ in head.fields)
        attributes = (
            b' nonce="%b"' % nonce if nonce else b"",
            b' integrity="%b" crossorigin' % self._integrity if wants_integrity else b"",
            b"" if request.is_safe else b" data-unsafe",
        )
        return b'<script src="/_hpp/client.js"%b%b%b></script>' % attributes

    def _mended(self, head: ResponseHead, policies: list[bytes], tag_bytes: int) -> ResponseHead:
        """The head of the page with a tag of this size in it, or of the 304 that confirms it."""
        policy = iter(policies)
        fields: Fields = []
        for name, value in head.fields:
            lower = name.lower()
            if lower in _NO_LONGER_TRUE or (lower == b"content-length" and head.status == 304):
                continue
            if lower == _POLICY:
                value = next(policy)
            elif lower == b"etag":
                value = marked(value, self._mark)
            elif lower == b"content-length":
                value = b"%d" % (int(value) + tag_bytes)
            fields.append((name, value))
        if not _values(fields, b"etag"):
            # Without a tag, a browser would ask by the date alone, which cannot bear the mark.
            tag = dated(b"".join(_values(fields, b"last-modified")), self._mark)
            fields += [(b"ETag", tag)] if tag is not None else []
        return dataclasses.replace(head, fields=fields if head.status == 304 else fields + _ADDED)

    def _is_forbidden(self, content: bytes, request: Request) -> bool:
        is_forbidden = csp.has_meta_policy(content)
        if is_forbidden and self._tell is not None:
            path = request.target.partition(b"?")[0][:200].decode("ascii", "replace")
            self._tell(f"{path}: its own policy, in a <meta>, is respected: no script is injected")
            self._tell = None
        return is_forbidden


def asks_for_document(fields: Fields) -> bool:
    """Whether a request with these fields asks for a page to be shown."""
    values = {name.lower(): value for name, value in fields}
    if not _PARTIAL.isdisjoint(values):
        return False
    destination = values.get(b"sec-fetch-dest")
    if destination is None:
        return accepts(values.get(b"accept", b""), "text/html")
    if destination == b"empty" and values.get(b"sec-fetch-mode") == b"navigate":
        # A page's service worker asks in the browser's stead, with the mode and Accept as they
        # were. A download (<a download>) has the mode, too, and no Accept.
        return accepts(values.get(b"accept", b""), "text/html")
    return destination.lower() in _DESTINATIONS


def _values(fields: Fields, name: bytes) -> list[bytes]:
    return [value for key, value in fields if key.lower() == name]


def _is_document(head: ResponseHead) -> bool:
    types = _values(head.fields, b"content-type")
    if head.status == 304:
        # RFC 9110 section 15.4.5: it need not repeat what it is.
        return not types or _is_html(types)
    return (
        b"0" not in _values(head.fields, b"content-length") and _is_html(types) and _is_whole(head)
    )


def _is_whole(head: ResponseHead) -> bool:
    """Whether a response is all of what a browser shows, and may be changed on its way."""
    return (
        head.status not in _PARTIAL_STATUSES
        and not _values(head.fields, b"content-range")
        and all(map(_is_identity, _values(head.fields, b"content-encoding")))
        and all(map(_is_inline, _values(head.fields, b"content-disposition")))
        # RFC 9111 section 5.2.2.6: of those in between, nobody may change it.
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
    """RFC 6266 section 4.2: any other than `inline` is to be kept as a file."""
    return disposition.partition(b";")[0].strip().lower() in (b"", b"inline")


def _forbids_transforming(directives: bytes) -> bool:
    return b"no-transform" in (directive.strip().lower() for directive in directives.split(b","))


def _look(body: Body, rest: bytes) -> tuple[bytes, bool]:
    """The content in `rest`, and whether it is all. Raises BodyError."""
    bare = _bare(body)
    content = bare.feed(rest) if not bare.done else b""
    return content, bare.done


def _bare(body: Body) -> Body:
    """A body that has not begun, to be read as content alone."""
    if isinstance(body, Length):
        return Length(body.remaining)
    return UntilClose(chunked=False) if isinstance(body, UntilClose) else Chunked(decode=True)
