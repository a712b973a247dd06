"""The queue's WebSocket, against a service as a process."""

import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from test.companions.archive.origins import Origin
from test.companions.archive.service.services import Service, sqlite
from test.deadline import PATIENCE_S, eventually

MUST_WAIT = {"errors": {"access": "You must wait untill download is available"}}


@pytest.fixture
def queued(origin: Origin, tmp_path: Path) -> Iterator[Service]:
    """A service where tickets wait until fewer than two downloads run."""
    with Service(sqlite(tmp_path), "--allow", origin.url, "--queue") as running:
        yield running


def waiting(service: Service, id_: str) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{service.port}/ticket/{id_}/wait", proxy=None)


def frame(socket: ClientConnection) -> object:
    return json.loads(socket.recv(PATIENCE_S))


def closed(socket: ClientConnection) -> tuple[int, str]:
    """The code and reason of the server's close frame; asserts that no message precedes it."""
    with pytest.raises(ConnectionClosed) as end:
        socket.recv(PATIENCE_S)
    assert end.value.rcvd is not None
    return end.value.rcvd.code, end.value.rcvd.reason


def test_tickets_are_released_in_order_as_downloads_end(queued: Service, origin: Origin) -> None:
    secret = queued.client()
    first, second, third, fourth = (
        queued.ticket(secret, f"{origin.url}/held/{number}") for number in range(4)
    )
    refused = queued.download(first)
    assert (refused.status, refused.json) == (403, MUST_WAIT)
    for id_, position in ((first, -2), (second, -1)):
        with waiting(queued, id_) as socket:
            assert frame(socket) == {"position": position, "available": True}
            assert closed(socket) == (1000, "available")
    with waiting(queued, third) as one, waiting(queued, fourth) as other:
        # Both slots are promised, although no download has begun.
        assert frame(one) == {"position": 0, "available": False}
        assert frame(other) == {"position": 1, "available": False}
        assert queued.download(third).status == 403
        with waiting(queued, third) as again:
            assert frame(again) == {"error": "Already waiting"}
            assert closed(again)[0] == 1000
        with queued.begin(first) as wire:
            wire.head()
            assert frame(one) == {"position": 0, "available": False}
            assert frame(other) == {"position": 1, "available": False}
            origin.released.set()
            wire.until(b"\r\n0\r\n\r\n")
        assert frame(one) == {"position": -1, "available": True}
        assert closed(one) == (1000, "available")
        while (message := frame(other)) != {"position": 0, "available": False}:
            assert message == {"position": 1, "available": False}
        assert queued.download(third).status == 200
        while (message := frame(other)) != {"position": -1, "available": True}:
            assert message == {"position": 0, "available": False}
    assert queued.download(fourth).status == 200
    assert queued.download(fourth).status == 404


def test_client_that_disconnects_leaves_the_queue(queued: Service) -> None:
    secret = queued.client()
    ids = [queued.ticket(secret) for _ in range(4)]
    for id_ in ids[:2]:
        with waiting(queued, id_) as socket:
            frame(socket)
    with waiting(queued, ids[3]) as last:
        with waiting(queued, ids[2]) as before:
            assert frame(last) == {"position": 0, "available": False}
            assert frame(before) == {"position": 1, "available": False}
        with waiting(queued, ids[2]) as again:
            assert frame(again) == {"position": 1, "available": False}


def test_unknown_id_gets_404(service: Service) -> None:
    with pytest.raises(InvalidStatus) as refused, waiting(service, str(uuid.uuid4())):
        pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body) == {"errors": {"id": "Ticket not found"}}


def test_request_without_websocket_handshake_gets_400(service: Service, secret: str) -> None:
    answer = service.ask(f"/ticket/{service.ticket(secret)}/wait")
    assert answer.status == 400
    assert isinstance(answer.json, dict)
    assert answer.json["status"] == 400


def test_wait_time_closes_the_websocket_with_1013(tmp_path: Path) -> None:
    options = ("--queue", "--simultaneous", "1", "--wait-time", "0.2")
    with Service(sqlite(tmp_path), *options) as service:
        secret = service.client()
        first, second = service.ticket(secret), service.ticket(secret)
        with waiting(service, first) as socket:
            assert frame(socket) == {"position": -1, "available": True}
        with waiting(service, second) as socket:
            assert frame(socket) == {"position": 0, "available": False}
            assert closed(socket) == (1013, "timeout")


def test_database_failure_during_a_wait_closes_with_1013(
    queued: Service, origin: Origin, tmp_path: Path
) -> None:
    secret = queued.client()
    ids = [queued.ticket(secret, f"{origin.url}/held/a") for _ in range(3)]
    for id_ in ids[:2]:
        with waiting(queued, id_) as socket:
            frame(socket)
    with waiting(queued, ids[2]) as last, queued.begin(ids[0]) as wire:
        wire.head()
        with contextlib.closing(sqlite3.connect(tmp_path / "archive.db")) as database:
            database.execute("ALTER TABLE tickets RENAME TO gone")
        origin.released.set()
        wire.until(b"\r\n0\r\n\r\n")
        with contextlib.suppress(ConnectionClosed):
            while frame(last) == {"position": 0, "available": False}:
                continue
        assert last.close_code == 1013, "try again later"


def test_ticket_is_available_at_once_without_a_queue(service: Service, secret: str) -> None:
    id_ = service.ticket(secret)
    with waiting(service, id_) as socket:
        message = frame(socket)
        assert isinstance(message, dict)
        assert message["available"] is True
        assert closed(socket) == (1000, "available")
    eventually(lambda: service.download(id_).status == 200)
