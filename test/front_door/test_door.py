"""The TCP port: TLS, plain HTTP and garbage are told apart, and none of them hurts the others."""

import asyncio
import errno
import gc
import logging
import socket
import ssl
from pathlib import Path

import pytest

from httpprocessproxy.front_door import door as module
from test.fakes import get, post
from test.front_door.doors import Doorway, aside, opened
from test.loops import eventually, on_every_loop
from test.tls import make_pair, trusting
from test.wire import TruncatedError


@on_every_loop
async def test_http_1_over_tls_is_served_by_the_plane(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/a", "X-Mine: 1"))
        backend, request = await doorway.bench.backend.serve()
        assert (await aside(wire.response)).body == b"ok"
        assert request.get(b"Forwarded") == b"for=127.0.0.1;host=localhost;proto=https"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        assert len(doorway.bench.plane.clients) == 1
        # The connection goes on, and so does the one behind it.
        await aside(lambda: wire.send(get("/b")))
        assert (await backend.request()).target == b"/b"
        await backend.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await aside(wire.response)).status == 204
        assert wire.tls.version() in ("TLSv1.2", "TLSv1.3")


@on_every_loop
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), None),
        (("http/1.1",), "http/1.1"),
        (("acme-tls/1",), None),
        (("x", "http/1.1"), "http/1.1"),
    ],
    ids=["none", "http/1.1", "another", "two"],
)
async def test_without_h2_it_is_http_1(
    offered: tuple[str, ...], chosen: str | None, tmp_path: Path
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get(), context=trusting(None, *offered))
        assert wire.tls.selected_alpn_protocol() == chosen
        await doorway.bench.backend.serve()
        assert (await aside(wire.response)).status == 200


@on_every_loop
async def test_h2_is_chosen_by_who_offers_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(context=trusting(None, "http/1.1", "h2"))
        assert wire.tls.selected_alpn_protocol() == "h2"
        assert await aside(wire.rest) == b"chosen"
        assert not wire.was_cut


@on_every_loop
async def test_old_tls_is_refused(tmp_path: Path) -> None:
    old = trusting(None)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with opened(tmp_path) as doorway:
        with pytest.raises(ssl.SSLError):
            await doorway.tls(context=old)
        await served(doorway)


async def served(doorway: Doorway) -> None:
    """The door lives on: a request is answered."""
    wire = await doorway.tls(get())
    await doorway.bench.backend.serve()
    assert (await aside(wire.response)).status == 200


@on_every_loop
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02",
        b"\x80\x2e\x01\x00\x02",  # SSL 2's hello
        b"\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",  # a record that holds no handshake
        b"\x16" + bytes(60_000),
        b"\x16GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_garbage_is_closed(garbage: bytes, tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.plain(garbage)
        rest = await aside(wire.rest)
        assert rest[:1] in (b"", b"\x15"), "nothing but an alert"
        await served(doorway)


@on_every_loop
async def test_who_leaves_at_once_leaves_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        for data in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET / HT"):
            (await doorway.plain(data)).socket.close()
            (await doorway.plain(data)).reset()
        door = doorway.door
        await eventually(lambda: not (door._silent or door._tasks or door._redirects))
        await served(doorway)


@on_every_loop
@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
async def test_who_says_nothing_more_is_let_go(
    begin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_BYTE_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "HANDSHAKE_TIMEOUT_S", 0.05)
    async with opened(tmp_path) as doorway:
        wires = [await doorway.plain(begin) for _ in range(20)]
        for wire in wires:
            assert await aside(wire.rest) == b""
        await eventually(lambda: not doorway.door._tasks)


@on_every_loop
async def test_slow_beginnings_hold_up_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        for begin in (b"", b"\x16", b"G") * 30:
            await doorway.plain(begin)
        await served(doorway)


@on_every_loop
async def test_a_byte_at_a_time_is_a_handshake_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.plain()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trusting(None).wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        hello = outgoing.read()
        for at in range(0, len(hello), 40):
            await aside(lambda at=at: wire.send(hello[at : at + 40]))  # type: ignore[misc]
            await asyncio.sleep(0)
        assert await aside(wire.more)
        incoming.write(wire.unread)
        client.do_handshake()


@on_every_loop
async def test_a_response_that_is_cut_can_be_told_from_a_whole_one(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"  # its body lasts until the backend closes
    async with opened(tmp_path) as doorway:
        for ends_well in (True, False):
            # To a client of HTTP/1.0 nothing but the end of the connection tells it.
            wire = await doorway.tls(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            backend = await doorway.bench.backend.accept()
            await backend.request()
            await backend.send(head + b"some")
            assert await aside(lambda wire=wire: wire.exactly(len(head))) is not None  # type: ignore[misc]
            if ends_well:
                backend.close()
            else:
                doorway.bench.stop()
            with pytest.raises(TruncatedError):
                await aside(lambda wire=wire: wire.until(b"never"))  # type: ignore[misc]
            assert wire.was_cut is not ends_well


@on_every_loop
async def test_a_chunked_response_that_is_cut_has_no_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get())
        backend = await doorway.bench.backend.accept()
        await backend.request()
        await backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
        await aside(lambda: wire.until(b"some"))
        doorway.bench.stop()
        assert b"0\r\n" not in await aside(wire.rest)
        assert wire.was_cut


@on_every_loop
async def test_an_early_answer_reaches_who_still_sends(tmp_path: Path) -> None:
    """A close with unread bytes would be a reset, and could destroy the answer."""
    async with opened(tmp_path) as doorway:
        body = bytes(8_000_000)
        wire = await doorway.tls(post(b"", length=len(body)))
        backend = await doorway.bench.backend.accept()
        await backend.head()
        await backend.send(
            b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"
        )
        backend.close()
        sending = asyncio.get_running_loop().run_in_executor(None, wire.send, body)
        assert (await aside(wire.response)).body == b"no!"
        wire.socket.close()
        with pytest.raises(OSError):  # noqa: PT011 - which one depends on the moment
            await sending


@on_every_loop
async def test_a_restart_holds_and_replays(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/on-its-way"))
        backend = await doorway.bench.backend.accept()
        await backend.request()
        doorway.bench.stop()
        held = await doorway.tls(get("/held"))
        await doorway.bench.held(2)
        doorway.bench.start()
        targets = {(await doorway.bench.backend.serve())[1].target for _ in range(2)}
        assert targets == {b"/on-its-way", b"/held"}
        for one in (wire, held):
            assert (await aside(one.response)).status == 200


@on_every_loop
async def test_who_leaves_while_held_never_reaches_the_backend(tmp_path: Path) -> None:
    async with opened(tmp_path, is_open=False) as doorway:
        wire = await doorway.tls(get("/gone"))
        await doorway.bench.held(1)
        wire.socket.close()
        await doorway.bench.held(0)


@on_every_loop
async def test_a_client_that_ends_its_sending_is_no_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get())
        await doorway.bench.backend.accept()
        wire.socket.shutdown(socket.SHUT_WR)
        await eventually(lambda: not doorway.bench.plane.clients)
        await served(doorway)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@on_every_loop
async def test_a_websocket_is_told_of_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, alt_svc=b'h3=":1"; ma=1') as doorway:
        wire = await doorway.tls(get("/", *UPGRADE))
        backend = await doorway.bench.backend.accept()
        await backend.request()
        await backend.send(SWITCHING + b"\x81\x02hi")
        response = await aside(wire.response)
        assert (response.status, response.get(b"Alt-Svc")) == (101, b'h3=":1"; ma=1')
        assert await aside(lambda: wire.exactly(4)) == b"\x81\x02hi"
        await aside(lambda: wire.send(b"\x81\x80mask"))
        assert await backend.exactly(6) == b"\x81\x80mask"
        doorway.bench.stop()
        assert (await aside(lambda: wire.exactly(4)))[2:] == (1012).to_bytes(2, "big")
        wire.socket.close()


@on_every_loop
@pytest.mark.parametrize("who", ["client", "backend"])
async def test_the_end_of_a_tunnel_is_passed_on(
    who: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/", *UPGRADE))
        backend = await doorway.bench.backend.accept()
        await backend.request()
        await backend.send(SWITCHING)
        await aside(wire.response)
        if who == "client":
            await aside(lambda: wire.send(b"last words"))
            wire.socket.close()
            assert await backend.rest() == b"last words"
        else:
            await backend.send(b"last words")
            backend.finish()
            assert await aside(wire.rest) == b"last words"
            assert not wire.was_cut
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@on_every_loop
async def test_every_response_says_where_http_3_is(tmp_path: Path) -> None:
    value = b'h3=":8000"; ma=3600'
    theirs = b'HTTP/1.1 200 OK\r\nalt-svc: h3=":9"\r\nContent-Length: 2\r\nAlt-Svc: x\r\n\r\nok'
    async with opened(tmp_path, alt_svc=value) as doorway:
        wire = await doorway.tls()
        backend = None
        for _ in range(3):  # the third is read from lines that are known by then
            await aside(lambda: wire.send(get()))
            backend = backend or await doorway.bench.backend.accept()
            await backend.request()
            await backend.send(theirs)
            assert (await aside(wire.response)).all(b"Alt-Svc") == [value]
        await aside(lambda: wire.send(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"))
        refused = await aside(wire.response)
        assert (refused.status, refused.get(b"Alt-Svc")) == (403, value)
        plain = await doorway.plain(get())
        assert (await aside(plain.response)).get(b"Alt-Svc") == value


@on_every_loop
async def test_new_connections_have_the_new_certificate(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        old = await doorway.tls()
        make_pair(tmp_path)
        doorway.identity.look(pytest.fail)
        new = await doorway.tls()
        shown = [wire.tls.getpeercert(binary_form=True) for wire in (old, new)]
        assert shown[0] != shown[1]
        await aside(lambda: old.send(get()))
        await doorway.bench.backend.serve()
        assert (await aside(old.response)).status == 200


class Exhausted(socket.socket):
    """A listener of a process whose descriptors have run out, for a while."""

    refusals = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@on_every_loop
async def test_when_descriptors_run_out_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_EXHAUSTED_REST_S", 0.01)
    async with opened(tmp_path) as doorway:
        listener = Exhausted()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        async with module.Door(
            doorway.identity, doorway.bench.plane, doorway.door._hosts, asyncio.Protocol, None
        ).serve([listener]):
            doorway.port = listener.getsockname()[1]
            await served(doorway)
            doorway.close_wires()
    texts = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert texts == ["cannot take a connection: Too many open files"] * 2


@on_every_loop
async def test_leaving_ends_what_is_under_way(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wires = [await doorway.plain(begin) for begin in (b"", b"\x16", b"GET /")]
        await eventually(lambda: bool(doorway.door._tasks and doorway.door._redirects))
        close, doorway.close_wires = doorway.close_wires, lambda: None  # type: ignore[method-assign]
    for wire in wires:
        assert await aside(wire.rest) == b""
    close()
    del wire, wires
    gc.collect()  # what was not closed would say so
