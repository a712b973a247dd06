"""The log of requests: records, their publication, and bounds."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.headers import outgoing_request
from httpprocessproxy.core.http.http1 import parse_request
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.events import Event, EventBus, RequestBegan, RequestEnded, members
from httpprocessproxy.inspector.request_log import (
    CUT,
    LEFT,
    MAX_BODY_BYTES,
    MAX_LOG_BYTES,
    MAX_RECORDS,
    REFUSED,
    RequestLog,
    RequestRecord,
)

HEAD = b"HTTP/1.1 200 OK\r\n"


def request(target: str = "/", method: str = "GET", fields: Sequence[str] = ()) -> Request:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields, "", ""]
    head = parse_request("\r\n".join(lines).encode())
    return outgoing_request(head, Peer("127.0.0.1", trusted=True), b"1.1 us")


def begun(log: RequestLog, asked: Request | None = None) -> RequestRecord:
    record = RequestRecord(asked or request(), "127.0.0.1", 0)
    log.begin(record)
    return record


def ended(
    log: RequestLog, status: int = 200, outcome: str = "", asked: Request | None = None
) -> RequestRecord:
    record = begun(log, asked)
    record.sent = 1
    record.status, record.response_head = status, HEAD
    log.end(record, outcome)
    return record


def test_record_describes_request_and_response() -> None:
    log = RequestLog(EventBus())
    record = begun(log, request("/a?b=1", "POST", ["Content-Length: 2", "Cookie: c=d"]))
    assert record.row().ended is False
    record.keep(b"h\xff")
    record.sent, record.status, record.response_head, record.response_bytes = 2, 201, HEAD, 7
    log.end(record)

    details = record.details()
    began = datetime.fromisoformat(str(details["time"]))

    assert timedelta() <= datetime.now(UTC) - began < timedelta(minutes=1)
    assert {
        "id": 1,
        "method": "POST",
        "target": "/a?b=1",
        "status": 201,
        "outcome": "",
        "ended": True,
        "held_ms": 0.0,
        "sent": 2,
        "bytes": 7,
        "websocket": False,
        "client": "127.0.0.1",
        "replay_of": None,
        "can_be_replayed": True,
        "request_body": "h\ufffd",
        "response": "HTTP/1.1 200 OK\r\n",
    }.items() <= details.items()
    assert "\r\nCookie: c=d\r\n" in str(details["request"])
    assert members(record.row()).keys() < details.keys()


def test_record_has_the_time_at_the_gate() -> None:
    log = RequestLog(EventBus())
    record = begun(log)
    for _ in range(2):
        record.waits()
        before = record.held_s
        record.goes_on()
        assert record.held_s > before
    log.end(record)
    assert record.ended_at - record.began_at >= record.held_s


def test_client_of_a_record_is_the_first_forwarded_node() -> None:
    behind = request(fields=["X-Forwarded-For: 192.0.2.7, 192.0.2.8"])
    assert RequestRecord(behind, "127.0.0.1", 0).row().client == "192.0.2.7"
    assert RequestRecord(request(), None, 3).row().client == "127.0.0.1"  # as in its head


def test_records_are_numbered_and_listed_newest_first() -> None:
    log = RequestLog(EventBus())
    first, second, third = begun(log), begun(log), begun(log)
    log.end(second)
    log.end(first)
    assert [record.id for record in log] == [3, 2, 1]
    assert [log.find(number) for number in (1, 2, 3, 4)] == [first, second, third, None]


def test_second_end_of_a_record_has_no_effect() -> None:
    log = RequestLog(EventBus())
    record = begun(log)
    log.end(record, CUT)
    log.end(record, LEFT)
    assert record.outcome == CUT
    assert len(list(log)) == 1


def test_end_of_an_unknown_record_has_no_effect() -> None:
    log = RequestLog(EventBus())
    log.end(RequestRecord(request(), None, 0))
    assert list(log) == []


def test_record_without_subscriber_is_not_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = EventBus()
    log = RequestLog(bus)
    monkeypatch.setattr(RequestRecord, "row", lambda record: pytest.fail("formatted"))
    log.opened(begun(log))
    ended(log)
    assert [*bus.recent(RequestBegan), *bus.recent(RequestEnded)] == []


def test_subscriber_gets_beginning_opening_and_end() -> None:
    bus = EventBus()
    log = RequestLog(bus)
    heard: list[Event] = []
    with bus.subscribe([RequestBegan, RequestEnded], heard.append):
        record = begun(log)
        record.status = 101
        log.opened(record)
        log.end(record, CUT)
    rows = [e.row for e in heard if isinstance(e, RequestBegan | RequestEnded)]
    told = [("request", r.id, r.ended, r.websocket, r.outcome) for r in rows]
    assert [event.topic for event in heard] == ["request"] * 3
    assert told == [
        ("request", 1, False, False, ""),
        ("request", 1, False, True, ""),
        ("request", 1, True, True, CUT),
    ]
    assert [*bus.recent(RequestBegan), *bus.recent(RequestEnded)] == []


# Bounds


def test_log_is_bounded_in_count_and_keeps_open_records() -> None:
    log = RequestLog(EventBus())
    socket = begun(log)
    for _ in range(2 * MAX_RECORDS):
        ended(log)
    assert len(list(log)) == MAX_RECORDS + 1
    assert log.find(socket.id) is socket
    assert log.find(socket.id + 1) is None


def test_log_is_bounded_in_bytes() -> None:
    log = RequestLog(EventBus())
    large = ["X: " + "x" * 50_000]
    for _ in range(MAX_RECORDS):
        ended(log, asked=request(method="POST", fields=large))
    kept = list(log)
    total = sum(sys.getsizeof(record.request.rest) for record in kept)
    assert MAX_LOG_BYTES / 2 < total < MAX_LOG_BYTES * 1.1
    ended(log)
    assert log.find(kept[0].id) is kept[0]


def test_bodies_count_towards_the_bound() -> None:
    log = RequestLog(EventBus())
    for _ in range(MAX_RECORDS):
        record = begun(log, request(method="POST"))
        record.keep(b"x" * MAX_BODY_BYTES)
        log.end(record)
    total = sum(len(record.body or b"") for record in log)
    assert MAX_LOG_BYTES / 2 < total <= MAX_LOG_BYTES


@pytest.mark.parametrize("pieces", [[MAX_BODY_BYTES], [1, MAX_BODY_BYTES - 1]])
def test_body_up_to_the_limit_is_stored(pieces: list[int]) -> None:
    record = RequestRecord(request(method="POST"), None, 0)
    for size in pieces:
        record.keep(b"x" * size)
    assert record.body == b"x" * MAX_BODY_BYTES


def test_body_above_the_limit_is_not_stored() -> None:
    record = RequestRecord(request(method="POST"), None, 0)
    for size in (MAX_BODY_BYTES, 1, 1):
        record.keep(b"x" * size)
    assert record.body is None


# Replays


def test_complete_request_without_upgrade_can_be_replayed() -> None:
    log = RequestLog(EventBus())
    assert not begun(log).can_be_replayed
    assert ended(log).can_be_replayed
    large = begun(log)
    large.body = None
    log.end(large)
    assert not large.can_be_replayed
    upgrade = request(fields=["Connection: Upgrade", "Upgrade: websocket"])
    assert not ended(log, asked=upgrade).can_be_replayed


def test_last_failed_request_is_unsafe_and_failed() -> None:
    log = RequestLog(EventBus())
    post = request(method="POST")
    ended(log, 200, asked=post)
    ended(log, 404, asked=post)
    ended(log, 200, LEFT, asked=post)
    ended(log, 500)
    assert log.last_failed() is None
    for status, outcome in ((500, ""), (503, REFUSED), (200, CUT)):
        failed = ended(log, status, outcome, asked=post)
        ended(log, 500)
        assert log.last_failed() is failed
