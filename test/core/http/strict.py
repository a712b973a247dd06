"""Strict parsers of messages, independent of the proxy's own: the oracles of its tests.

`llhttp_body` uses llhttp, as Node and uvicorn do; `read_head` is RFC 9112's grammar, line by line,
without any of the leniencies that it allows.
"""

import re
from dataclasses import dataclass, field

import httptools
from hypothesis import settings

_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*))?)")

# The same examples in every run and on every machine, without a deadline for slow ones.
repeatably = settings(derandomize=True, database=None, deadline=None)


@dataclass
class Oracle:
    """The messages that llhttp parses from a stream of bytes, up to the first error."""

    content: list[bytes] = field(default_factory=list)  # of each complete message
    is_refused: bool = False
    targets: list[bytes] = field(default_factory=list)
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    _body: bytes = b""

    def on_url(self, url: bytes) -> None:
        self.targets.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.content.append(self._body)
        self._body = b""


def llhttp_requests(data: bytes) -> Oracle:
    oracle = Oracle()
    _parse(httptools.HttpRequestParser(oracle), data, oracle)
    return oracle


def llhttp_responses(data: bytes) -> Oracle:
    oracle = Oracle()
    _parse(httptools.HttpResponseParser(oracle), data, oracle)
    return oracle


def _parse(
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser, data: bytes, oracle: Oracle
) -> None:
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError:
        oracle.is_refused = True


def llhttp_body(body: bytes) -> Oracle:
    """Parse a chunked body with llhttp."""
    return llhttp_requests(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    )


def read_head(head: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the first line of a head and its fields. Fails unless the head is strictly valid."""
    assert head.endswith(b"\r\n\r\n")
    line, *rest = head[:-4].split(b"\r\n")
    matches = [_FIELD.fullmatch(text) for text in rest]
    assert all(matches), head
    return line, [(match[1], match[2]) for match in matches if match]
