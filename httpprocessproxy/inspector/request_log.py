"""The log of the last requests to the backend, for the dashboard and the terminal.

Recording a request costs the data plane about a microsecond: a record consists of a few references
to existing objects, and is formatted only when it is read. The log is bounded in count and in
bytes. It stores small bodies of requests, for replays, and no bodies of responses.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic, time
from typing import Final

from httpprocessproxy.core.http.forwarded import forwarded_for
from httpprocessproxy.core.http.headers import SAFE_METHODS
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.core.identity import DEFAULT_SERVICE
from httpprocessproxy.events import EventBus, RequestBegan, RequestEnded, RequestRow, members

MAX_RECORDS: Final = 500
MAX_LOG_BYTES: Final = 4 * 1024 * 1024
MAX_BODY_BYTES: Final = 16 * 1024

# The outcome of a request without a complete response.
REFUSED: Final = "refused"  # by an error response of the proxy
CUT: Final = "cut"  # the backend closed first
LEFT: Final = "left"  # the client closed first


class RequestRecord:
    """One request. Its times are monotonic seconds; `ended_at` is 0.0 until it has ended."""

    # Class attributes as defaults cost no time per request.
    id = 0
    service = DEFAULT_SERVICE
    waits_since = 0.0  # 0.0 while it is not held
    held_s = 0.0
    sent = 0  # the number of times; a restart or a closed connection adds one
    body: bytes | None = b""  # None: too large to store, or incomplete
    status = 0
    response_head = b""
    response_bytes = 0
    ended_at = 0.0
    outcome = ""
    size_bytes = 0

    def __init__(self, request: Request, peer_ip: str | None, replay_of: int) -> None:
        """`replay_of` is the number of the request that this one repeats, or 0."""
        self.request = request
        self.peer_ip = peer_ip
        self.replay_of = replay_of
        self.began_at = monotonic()

    # Called by an exchange

    def waits(self) -> None:
        self.waits_since = monotonic()

    def goes_on(self) -> None:
        self.held_s += monotonic() - self.waits_since
        self.waits_since = 0.0

    def keep(self, data: bytes) -> None:
        """Store a piece of the request's body, as it is sent to the backend."""
        if self.body is not None:
            fits = len(self.body) + len(data) <= MAX_BODY_BYTES
            self.body = self.body + data if fits else None

    # Read by the dashboard and the terminal

    @property
    def is_websocket(self) -> bool:
        return self.status == 101

    @property
    def can_be_replayed(self) -> bool:
        return bool(self.ended_at) and self.body is not None and not self.request.upgrade

    @property
    def is_worth_replaying(self) -> bool:
        has_failed = self.outcome in (REFUSED, CUT) or self.status >= 500
        return has_failed and self.can_be_replayed and self.request.method not in SAFE_METHODS

    def row(self) -> RequestRow:
        now = monotonic()
        began = datetime.fromtimestamp(time() - (now - self.began_at), UTC)
        clients = [*forwarded_for(self.request.head, self.peer_ip)[::-1], self.peer_ip or ""]
        return RequestRow(
            id=self.id,
            service=self.service,
            time=began.isoformat(timespec="milliseconds"),
            method=self.request.method.decode("latin-1"),
            target=self.request.target.decode("latin-1"),
            status=self.status or None,
            outcome=self.outcome,
            ended=bool(self.ended_at),
            duration_ms=_ms((self.ended_at or now) - self.began_at),
            held_ms=_ms(self.held_s),
            sent=self.sent,
            bytes=self.response_bytes,
            websocket=self.is_websocket,
            client=clients[0],
            replay_of=self.replay_of or None,
            can_be_replayed=self.can_be_replayed,
        )

    def details(self) -> Mapping[str, object]:
        """Return the row for JSON, with both heads as exchanged with the backend, and the body."""
        return {
            **members(self.row()),
            "request": self.request.head.decode("latin-1"),
            "request_body": None if self.body is None else self.body.decode("utf-8", "replace"),
            "response": self.response_head.decode("latin-1"),
        }


class RequestLog:
    """Records of requests. Use it on the event loop's thread only."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._last_id = 0
        self._open: set[RequestRecord] = set()
        self._ended: deque[RequestRecord] = deque()
        self._bytes = 0

    def begin(self, record: RequestRecord) -> None:
        """Add the record of a new request."""
        self._last_id = record.id = self._last_id + 1
        self._open.add(record)
        self._publish_began(record)

    def opened(self, record: RequestRecord) -> None:
        """Publish that a tunnel, for example a WebSocket, is open."""
        self._publish_began(record)

    def end(self, record: RequestRecord, outcome: str = "") -> None:
        """Close the record of a request; only the first call for it has an effect."""
        try:
            self._open.remove(record)
        except KeyError:
            return
        record.ended_at = monotonic()
        record.outcome = outcome
        # Records share the rest of their heads, so this is an upper bound of the size.
        request = record.request
        size_bytes = len(request.target) + len(request.rest) + len(record.response_head)
        if record.body:
            size_bytes += len(record.body)
        record.size_bytes = size_bytes
        self._bytes += size_bytes
        self._ended.append(record)
        while self._bytes > MAX_LOG_BYTES or len(self._ended) > MAX_RECORDS:
            self._bytes -= self._ended.popleft().size_bytes
        if RequestEnded in self._bus.wanted:
            self._bus.publish(RequestEnded(row=record.row()), keep=False)

    def __iter__(self) -> Iterator[RequestRecord]:
        """Iterate over all records, the newest first."""
        records = [*self._ended, *self._open]
        return iter(sorted(records, key=lambda record: -record.id))

    def find(self, number: int) -> RequestRecord | None:
        return next((record for record in self if record.id == number), None)

    def last_failed(self) -> RequestRecord | None:
        """Return the last failed unsafe request; a browser repeats a safe one by itself.

        Requests older than the last replay are skipped: else each restart would send another one.
        """
        replayed = max((record.replay_of for record in self), default=0)
        return next(
            (record for record in self if record.is_worth_replaying and record.id > replayed), None
        )

    def _publish_began(self, record: RequestRecord) -> None:
        if RequestBegan in self._bus.wanted:
            self._bus.publish(RequestBegan(row=record.row()), keep=False)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
