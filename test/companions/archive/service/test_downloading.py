"""Downloads of tickets: the contract, and clients and origins that disconnect or stall."""

import contextlib
import sqlite3
import threading
import uuid
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.items import Order
from httpprocessproxy.companions.archive.store import schema
from httpprocessproxy.companions.archive.store.database import opened
from httpprocessproxy.companions.archive.store.tickets import Tickets
from test.companions.archive.origins import Origin
from test.companions.archive.service.services import Answer, Service, sqlite
from test.deadline import PATIENCE_S, eventually
from test.loops import run
from test.wire import TruncatedError, Wire

# More than all socket and user-space buffers between origin and client can hold.
HELD_BYTES = 32 * 1024 * 1024

NOT_FOUND = {"errors": {"id": "Ticket not found"}}


def test_download_is_a_zip_of_the_items(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    url = shared_origin.url
    items = (
        f"{url}/text/first",
        {"url": f"{url}/text/second", "name": "named.txt", "path": "folder"},
        f"{url}/moved/third",
    )
    answer = service.download(service.ticket(secret, *items))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="collection.zip"'
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Accept-Ranges" not in answer.headers
    assert list(answer.members.items()) == [
        ("first", b"text of /text/first"),
        ("folder/named.txt", b"text of /text/second"),
        ("third", b"text of /text/third"),
    ]


def test_second_download_gets_404(service: Service, secret: str) -> None:
    id_ = service.ticket(secret)
    assert service.download(id_).status == 200
    again = service.download(id_)
    assert (again.status, again.json) == (404, NOT_FOUND)


@pytest.mark.parametrize("id_", [str(uuid.UUID(int=1)), "x", "%00", "%ff", "x" * 5000])
def test_unknown_id_gets_404(service: Service, id_: str) -> None:
    answer = service.download(id_)
    assert (answer.status, answer.json) == (404, NOT_FOUND)


def test_one_of_many_concurrent_downloads_succeeds(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/text/once-{uuid.uuid4()}")
    answers: list[Answer] = []
    all_there = threading.Barrier(8)

    def download() -> None:
        all_there.wait()
        answers.append(service.download(id_))

    threads = [threading.Thread(target=download) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200] + [404] * 7


def test_head_gets_405_and_leaves_the_ticket_usable(service: Service, secret: str) -> None:
    id_ = service.ticket(secret)
    answer = service.download(id_, "HEAD")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert "HEAD" not in answer.headers["Allow"]
    assert service.download(id_).status == 200


def test_range_is_ignored(service: Service, secret: str, shared_origin: Origin) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/text/a")
    answer = service.download(id_, Range="bytes=0-3")
    assert answer.status == 200
    assert answer.members == {"a": b"text of /text/a"}


def test_http_1_0_client_gets_the_archive_without_chunks(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/text/a")
    with Wire.connect(service.port) as wire:
        wire.send(f"GET /ticket/{id_}/download HTTP/1.0\r\n\r\n".encode())
        response = wire.response()
    assert response.get(b"Transfer-Encoding") is None
    assert Answer(200, {}, response.body).members == {"a": b"text of /text/a"}


def test_item_request_has_only_the_item_headers(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    path = f"/text/{uuid.uuid4()}"
    item = {"url": shared_origin.url + path, "headers": {"Authorization": "for the origin"}}
    service.download(service.ticket(secret, item), Authorization="mine", Cookie="mine", X_Mine="1")
    [fields] = shared_origin.asked(path)
    assert fields["Authorization"] == "for the origin"
    assert "mine" not in fields.values()
    assert not {"Cookie", "X-Mine", "X-Forwarded-For"} & set(fields)


def test_failed_items_are_listed_in_the_last_member(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    url = shared_origin.url
    items = [f"{url}/text/a", f"{url}/missing/b", f"{url}/dies/c", f"{url}/text/d"]
    members = service.download(service.ticket(secret, *items)).members
    errors = members["_errors.txt"].decode()
    assert members["d"] == b"text of /text/d"
    assert list(members)[-1] == "_errors.txt"
    assert "/missing/b" in errors
    assert "404" in errors
    assert "/dies/c" in errors
    assert "/text/" not in errors


@pytest.mark.parametrize("failing", ["missing", "dies"])
def test_strict_archive_with_a_failed_item_is_truncated(
    service: Service, secret: str, shared_origin: Origin, failing: str
) -> None:
    items = (f"{shared_origin.url}/text/a", f"{shared_origin.url}/{failing}/b")
    id_ = service.ticket(secret, *items, options={"strict": True})
    with service.begin(id_) as wire, pytest.raises(TruncatedError):
        wire.response()


def test_client_that_disconnects_stops_the_fetch(tight: tuple[Service, Origin]) -> None:
    service, origin = tight
    id_ = service.ticket(service.client(), f"{origin.url}/endless/a")
    origin.ended.clear()
    with service.begin(id_) as wire:
        wire.exactly(100_000)
    assert origin.ended.wait(PATIENCE_S), "the fetch goes on without a client"


def test_client_that_disconnects_stops_the_fetch_from_a_silent_origin(
    tight: tuple[Service, Origin],
) -> None:
    service, origin = tight
    id_ = service.ticket(service.client(), f"{origin.url}/held/a")
    with service.begin(id_) as wire:
        wire.head()
        eventually(lambda: origin.asked("/held/a"))
    assert origin.gone.wait(PATIENCE_S), "the connection to the silent origin stays open"


def test_client_that_stops_reading_is_cut_after_the_stall_time(
    tight: tuple[Service, Origin],
) -> None:
    """Back-pressure stops the origin; after the stall time both connections are closed."""
    service, origin = tight
    id_ = service.ticket(service.client(), f"{origin.url}/endless/a")
    origin.ended.clear()
    before = origin.sent_bytes
    with service.begin(id_) as wire:
        wire.head()
        assert origin.ended.wait(PATIENCE_S)
        assert origin.sent_bytes - before < HELD_BYTES
        service.wait_line("cut: the client stopped reading")
        with pytest.raises(TruncatedError):
            wire.exactly(1 << 31)


def test_download_above_the_limit_of_a_client_gets_429(tight: tuple[Service, Origin]) -> None:
    service, origin = tight
    one, other = service.client(), service.client()
    held, waiting = (service.ticket(one, f"{origin.url}/held/{n}") for n in range(2))
    with service.begin(held) as wire:
        wire.head()
        refused = service.download(waiting)
        assert refused.status == 429
        assert refused.json == {"errors": {"access": "Too many downloads at a time"}}
        assert refused.headers["Retry-After"] == "30"
        assert service.download(service.ticket(other)).status == 200
        origin.released.set()
        wire.until(b"\r\n0\r\n\r\n")
    eventually(lambda: service.download(waiting).status == 200)
    origin.released.clear()


def test_clients_that_disconnect_at_once_leave_the_database_usable(
    service: Service, secret: str
) -> None:
    """A cancelled database operation does not break the next request."""
    ids = [service.ticket(secret) for _ in range(20)]
    for id_ in ids:
        service.begin(id_).reset()
    assert {service.download(id_).status for id_ in ids} <= {200, 404}
    assert service.download(service.ticket(secret)).status == 200


def test_unused_ticket_is_deleted_after_its_lifetime(tmp_path: Path) -> None:
    async def left_over() -> None:
        async with opened(sqlite(tmp_path)) as engine:
            await schema.upgrade(engine)
            await Tickets(engine, 3600).add(Order(()), "joe", is_available=True)

    def count() -> int:
        with contextlib.closing(sqlite3.connect(tmp_path / "archive.db")) as database:
            return int(database.execute("SELECT count(*) FROM tickets").fetchone()[0])

    run(left_over())
    assert count() == 1
    with Service(sqlite(tmp_path), "--ticket-ttl", "0") as service:
        eventually(lambda: count() == 0)
        answer = service.download(service.ticket(service.client()))
        assert (answer.status, answer.json) == (404, NOT_FOUND)
