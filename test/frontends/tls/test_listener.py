"""The TLS listener: TLS, plain HTTP and garbage on one port, none of which affects the others."""

import asyncio
import errno
import gc
import socket
import ssl
from pathlib import Path

import pytest

from httpprocessproxy.frontends.tls import listener as module
from test.fakes import get
from test.frontends.tls_listeners import aside, opened, served
from test.loops import eventually, on_every_loop
from test.tls import make_pair, trusting


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
async def test_client_that_does_not_offer_h2_gets_http_1(
    offered: tuple[str, ...], chosen: str | None, tmp_path: Path
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get(), context=trusting(None, *offered))
        assert wire.tls.selected_alpn_protocol() == chosen
        await doorway.bench.backend.serve()
        assert (await aside(wire.response)).status == 200


@on_every_loop
async def test_client_that_offers_h2_gets_http_2(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(context=trusting(None, "http/1.1", "h2"))
        assert wire.tls.selected_alpn_protocol() == "h2"
        assert await aside(wire.rest) == b"chosen"
        assert not wire.was_cut


@on_every_loop
async def test_tls_1_1_is_refused(tmp_path: Path) -> None:
    old = trusting(None)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with opened(tmp_path) as doorway:
        with pytest.raises(ssl.SSLError):
            await doorway.tls(context=old)
        await served(doorway)


@on_every_loop
@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02",
        b"\x80\x2e\x01\x00\x02",  # SSL 2's hello
        b"\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",  # a record without a handshake
        b"\x16" + bytes(60_000),
        b"\x16GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_connection_with_garbage_is_closed(garbage: bytes, tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.plain(garbage)
        rest = await aside(wire.rest)
        assert rest[:1] in (b"", b"\x15"), "nothing but an alert"
        await served(doorway)


@on_every_loop
async def test_client_that_leaves_at_once_leaves_no_task(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        for data in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET / HT"):
            (await doorway.plain(data)).socket.close()
            (await doorway.plain(data)).reset()
        door = doorway.door
        await eventually(lambda: not (door._sniffers or door._tasks or door._redirects))
        await served(doorway)


@on_every_loop
@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
async def test_silent_client_is_closed_after_the_timeout(
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
async def test_slow_clients_do_not_block_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        for begin in (b"", b"\x16", b"G") * 30:
            await doorway.plain(begin)
        await served(doorway)


@on_every_loop
async def test_handshake_in_small_pieces_succeeds(tmp_path: Path) -> None:
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
async def test_new_connection_gets_the_reloaded_certificate(tmp_path: Path) -> None:
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
    """A listening socket whose first two accepts fail with EMFILE."""

    refusals = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@on_every_loop
async def test_listener_pauses_when_descriptors_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_EXHAUSTED_PAUSE_S", 0.01)
    async with opened(tmp_path) as doorway:
        listener = Exhausted()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        door = module.TlsListener(
            doorway.identity,
            doorway.door._hosts,
            doorway.bench.proxy_server.new_client,
            asyncio.Protocol,
            b"",
        )
        async with door.serve([listener]):
            doorway.port = listener.getsockname()[1]
            await served(doorway)
            doorway.close_wires()
    texts = [record.getMessage() for record in caplog.records if record.name == module.__name__]
    assert texts == ["cannot take a connection: Too many open files"] * 2


@on_every_loop
async def test_leaving_the_context_closes_unfinished_connections(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wires = [await doorway.plain(begin) for begin in (b"", b"\x16", b"GET /")]
        await eventually(lambda: bool(doorway.door._tasks and doorway.door._redirects))
        close, doorway.close_wires = doorway.close_wires, lambda: None  # type: ignore[method-assign]
    for wire in wires:
        assert await aside(wire.rest) == b""
    close()
    del wire, wires
    gc.collect()  # a transport left open would cause a ResourceWarning
