"""HTTP/1.1 over TLS: the data plane's connection on a TLS transport.

These tests would show any assumption in the data plane about a plain TCP transport.
"""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from test.fakes import get, post
from test.frontends.tls_listeners import aside, opened, served
from test.loops import eventually, on_every_loop
from test.wire import TruncatedError


@on_every_loop
async def test_requests_over_tls_are_served_on_one_connection(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/a", "X-Mine: 1"))
        backend, request = await doorway.bench.backend.serve()
        assert (await aside(wire.response)).body == b"ok"
        assert request.get(b"Forwarded") == b"for=127.0.0.1;host=localhost;proto=https"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        assert len(doorway.bench.proxy_server.context.clients) == 1
        # Both connections stay open: the client's, and the one to the backend.
        await aside(lambda: wire.send(get("/b")))
        assert (await backend.request()).target == b"/b"
        await backend.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (await aside(wire.response)).status == 204
        assert wire.tls.version() in ("TLSv1.2", "TLSv1.3")


@on_every_loop
async def test_truncated_response_ends_without_close_notify(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"  # its body lasts until the backend closes
    async with opened(tmp_path) as doorway:
        for ends_well in (True, False):
            # An HTTP/1.0 client detects the end of this body only by the end of the connection.
            wire = await doorway.tls(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            backend, _ = await doorway.bench.backend.take()
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
async def test_truncated_chunked_response_has_no_last_chunk(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get())
        backend, _ = await doorway.bench.backend.take()
        await backend.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
        await aside(lambda: wire.until(b"some"))
        doorway.bench.stop()
        assert b"0\r\n" not in await aside(wire.rest)
        assert wire.was_cut


@on_every_loop
async def test_early_response_reaches_a_client_that_still_sends(tmp_path: Path) -> None:
    """A close with unread bytes would be a reset, and could destroy the response."""
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
        with contextlib.suppress(OSError):  # raised if the body had not been sent by then
            await sending


@on_every_loop
async def test_restart_holds_a_new_request_and_replays_one_in_flight(tmp_path: Path) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/on-its-way"))
        await doorway.bench.backend.take()
        doorway.bench.stop()
        held = await doorway.tls(get("/held"))
        await doorway.bench.held(2)
        doorway.bench.start()
        targets = {(await doorway.bench.backend.serve())[1].target for _ in range(2)}
        assert targets == {b"/on-its-way", b"/held"}
        for one in (wire, held):
            assert (await aside(one.response)).status == 200


@on_every_loop
async def test_held_request_of_a_client_that_leaves_is_dropped(tmp_path: Path) -> None:
    async with opened(tmp_path, is_open=False) as doorway:
        wire = await doorway.tls(get("/gone"))
        await doorway.bench.held(1)
        wire.socket.close()
        await doorway.bench.held(0)


@on_every_loop
async def test_half_close_of_the_client_ends_its_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get())
        await doorway.bench.backend.accept()
        wire.socket.shutdown(socket.SHUT_WR)
        await eventually(lambda: not doorway.bench.proxy_server.context.clients)
        await served(doorway)
    # Event loops log a warning for a protocol that stays open after eof_received over TLS.
    assert not [text for text in caplog.messages if "eof_received" in text]


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@on_every_loop
async def test_websocket_is_closed_with_1012_at_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path, alt_svc=b'h3=":1"; ma=1') as doorway:
        wire = await doorway.tls(get("/", *UPGRADE))
        backend, _ = await doorway.bench.backend.take()
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
async def test_end_of_a_tunnel_is_passed_on_with_the_last_bytes(
    who: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as doorway:
        wire = await doorway.tls(get("/", *UPGRADE))
        backend, _ = await doorway.bench.backend.take()
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
    # Event loops log a warning for a protocol that stays open after eof_received over TLS.
    assert not [text for text in caplog.messages if "eof_received" in text]


@on_every_loop
async def test_every_response_has_the_alt_svc_of_the_proxy(tmp_path: Path) -> None:
    value = b'h3=":8000"; ma=3600'
    theirs = b'HTTP/1.1 200 OK\r\nalt-svc: h3=":9"\r\nContent-Length: 2\r\nAlt-Svc: x\r\n\r\nok'
    async with opened(tmp_path, alt_svc=value) as doorway:
        wire = await doorway.tls()
        backend = None
        for _ in range(3):  # the third response hits the cache of header lines
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
