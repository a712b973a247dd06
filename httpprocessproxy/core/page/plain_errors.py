"""Plain error responses, wrapped in an HTML page whose script reloads it.

A bug often turns a page into a line of text, into JSON or into an empty response, none of which can
carry a script: the browser would show the error until the user reloads it. So an error response to
a request for a document that is not HTML becomes a page that shows it: the same status, the text
escaped, JSON indented. No I/O.
"""

import html
import json
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from httpprocessproxy.core.http.bodies import Body
from httpprocessproxy.core.http.http1 import Fields, ResponseHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.page.inject import chunk

# Longer than any traceback that a person reads; the rest is omitted.
MAX_SHOWN_BYTES: Final = 64 * 1024

_LONGEST_CHARACTER_BYTES: Final = 4  # of UTF-8 and GB 18030

CONTENT_TYPE: Final = b"text/html; charset=utf-8"

# Only a top-level document is displayed alone. An error in a frame is seen by the page around it.
_TOP_LEVEL: Final = re.compile(rb"\r\nsec-fetch-dest:[ \t]*document[ \t]*\r\n", re.IGNORECASE)

_TEXT: Final = re.compile(r"text/(?!event-stream)[\w.+-]+|application/(?:[\w.-]+\+)?(?:json|xml)")
_CHARSET: Final = re.compile(r";[ \t]*charset=\"?([\w.:+-]+)")
_HTML: Final = ("text/html", "application/xhtml+xml")

_TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ max-width: 62rem; margin: 0 auto; padding: 2rem 1.5rem;
  font: 16px/1.5 system-ui, sans-serif }}
h1 {{ font-size: 1.2rem }}
pre {{ font: 14px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere }}
footer {{ opacity: .7; font-size: .85rem }}
</style>
</head>
<body>
<h1>{title}</h1>
<pre>
{text}</pre>
<footer>The server's own answer{note}. This page reloads after the next change.
http-process-proxy</footer>
</body>
</html>
"""


def wraps(head: ResponseHead, request: Request, *, is_empty: bool = False) -> bool:
    """Whether a response is an error in a top-level document, and is not HTML.

    The caller has checked that it is complete, not encoded and not a download. `is_empty`: it ended
    without content; an empty response is wrapped even if it is declared as HTML.
    """
    if head.status < 400 or request.method == b"HEAD" or not _TOP_LEVEL.search(request.rest):
        return False
    kind, _ = _content_type(head.fields)
    return is_empty or _has_length_zero(head.fields) or (_is_text(kind) and kind not in _HTML)


def _has_length_zero(fields: Fields) -> bool:
    return any(name.lower() == b"content-length" and value == b"0" for name, value in fields)


def _is_text(kind: str) -> bool:
    return _TEXT.fullmatch(kind) is not None


class WrappedBody:
    """The body of a page that shows a plain error; implements `bodies.Body`."""

    __slots__ = (
        *("_charset", "_chunked", "_content", "_kind", "_shown", "_status", "_tag"),
        *("done", "rest"),
    )

    trailers: Sequence[bytes] = ()

    def __init__(self, content: Body, head: ResponseHead, tag: bytes, *, chunked: bool) -> None:
        """`content` decodes the backend's framing."""
        self._content = content
        self._kind, self._charset = _content_type(head.fields)
        self._status = head.status
        self._tag = tag
        self._chunked = chunked
        self._shown = b""
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        if self._content.done:
            self._take(b"", data)
        else:
            piece = self._content.feed(data)
            self._take(piece, self._content.rest)
        self.done = self._content.done
        return self._page() if self.done else b""

    def end(self) -> bytes:
        self._take(self._content.end(), b"")
        self.done = True
        return self._page()

    def _take(self, piece: bytes, rest: bytes) -> None:
        # One byte above the limit shows that the content is longer.
        self._shown += piece[: MAX_SHOWN_BYTES + 1 - len(self._shown)]
        self.rest = rest

    def _page(self) -> bytes:
        is_cut = len(self._shown) > MAX_SHOWN_BYTES
        text = _decoded(self._shown[:MAX_SHOWN_BYTES], self._charset, is_cut=is_cut)
        if self._kind.endswith("json"):
            text = _indented(text)
        page = _TEMPLATE.format(
            title=_title(self._status),
            text=html.escape(text, quote=False),
            note=f", its first {MAX_SHOWN_BYTES // 1024} KiB" if is_cut else "",
        )
        before, head, after = page.encode("utf-8", "replace").partition(b"<head>")
        content = b"".join((before, head, self._tag, after))
        return chunk(content) + b"0\r\n\r\n" if self._chunked else content


def _content_type(fields: Fields) -> tuple[str, str]:
    """Return the media type in lower case, and the charset; each may be ""."""
    values = [value for name, value in fields if name.lower() == b"content-type"]
    if len(values) != 1:
        return "", ""
    text = values[0].decode("latin-1").lower()
    charset = _CHARSET.search(text)
    return text.partition(";")[0].strip(), charset[1] if charset else ""


def _decoded(content: bytes, charset: str, *, is_cut: bool) -> str:
    """Decode the content; a character that is cut at its end is omitted."""
    for name in (charset or "utf-8", "utf-8"):
        try:
            return content.decode(name)
        except UnicodeDecodeError as error:
            if is_cut and len(content) - error.start < _LONGEST_CHARACTER_BYTES:
                return content[: error.start].decode(name, "replace")
        except (LookupError, UnicodeError):  # an unknown charset, or a codec that is not for text
            continue
    return content.decode("cp1252", "replace")


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _title(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
