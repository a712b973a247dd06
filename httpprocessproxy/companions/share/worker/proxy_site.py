"""The site of a share beside the proxy: each visit is a client of the data plane, in process.

The data plane treats visits as requests of untrusted clients, and adds nothing to the forwarding
fields that the worker has written.
"""

from functools import lru_cache
from typing import Final

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.worker.interfaces import Visitor
from httpprocessproxy.frontends.stream_client import StreamClient
from httpprocessproxy.frontends.streams import Fields, Head, RequestSink, StreamReset
from httpprocessproxy.proxy.exchanges import Exchanges

_WEBSOCKET: Final = b"websocket"

# The worker or the data plane writes these fields (RFC 9112 section 6, RFC 6455 section 4.1).
_OWN_FIELDS: Final = ("host", "content-length", "connection", "upgrade")


class ProxySite:
    """The `Site` of the proxy in the same process."""

    def __init__(self, exchanges: Exchanges) -> None:
        self._exchanges = exchanges
        self._reader = exchanges.context.readers.of_visitors(is_stream=True)

    def open_visit(
        self, visit: VisitHead, visitor: Visitor, *, is_tunnel: bool = False
    ) -> RequestSink:
        head = _request_head(visit, is_tunnel=is_tunnel)
        return StreamClient(self._exchanges, self._reader, head, _VisitStream(visitor))

    def close(self) -> None:
        """Nothing: the data plane owns the connections."""


class _VisitStream:
    """The `Stream` of a visit. Trailers and interim responses do not pass a relay."""

    __slots__ = ("_visitor",)

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor

    def interim(self, status: int, fields: Fields) -> None:
        pass

    def head(self, status: int, fields: Fields) -> None:
        self._visitor.begin_answer(_answer_head(status, tuple(fields)))

    def body(self, data: bytes) -> None:
        self._visitor.write(data)

    def end(self, trailers: Fields = ()) -> None:
        self._visitor.end_answer()

    def reset(self, why: StreamReset) -> None:
        self._visitor.cut(f"the server's answer is not whole: {why.value}")

    def consumed(self, size_bytes: int) -> None:
        self._visitor.consumed(size_bytes)

    def stop_reading(self) -> None:
        pass


def _request_head(visit: VisitHead, *, is_tunnel: bool) -> Head:
    length = protocol.length_of(visit.fields)
    fields = [
        (name.encode(), value.encode())
        for name, value in protocol.without(visit.fields, *_OWN_FIELDS)
    ]
    if length is not None and not is_tunnel:
        fields.append((b"content-length", b"%d" % length))
    return Head(
        version="1.1",
        method=visit.method.encode(),
        authority=(protocol.first(visit.fields, "host") or "").encode(),
        path=visit.url.encode(),
        fields=fields,
        protocol=_WEBSOCKET if is_tunnel else None,
        client=(visit.ip, 0),
        server=("", 0),
    )


# A server repeats its heads, except for the Date of each second.
@lru_cache(maxsize=256)
def _answer_head(status: int, fields: tuple[tuple[bytes, bytes], ...]) -> AnswerHead:
    return AnswerHead(status, protocol.passing_fields(protocol.to_texts(fields)))
