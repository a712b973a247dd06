"""Connections to the backend: heads, bodies and their ends, reuse, and invalid responses."""

import asyncio
import socket
import struct

import pytest

from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.service.waiter import Target
from test.fakes import OK, Bench, Peer, get, post, serving
from test.loops import eventually, on_every_loop
from test.wire import TruncatedError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

# More than the kernel and the event loop buffer for a peer that does not read.
MUCH = 16 * 1024 * 1024


async def kept(bench: Bench) -> tuple[Peer, Peer]:
    """Return a client, and the backend's idle connection that is kept for it."""
    client = await bench.client(get("/first"))
    wire, _ = await bench.backend.serve()
    assert (await client.response()).body == b"ok"
    return client, wire


async def asked(bench: Bench, request: bytes = b"") -> tuple[Peer, Peer]:
    """Return a client, and the backend's connection after its request arrived."""
    client = await bench.client(request or get())
    wire, _ = await bench.backend.take()
    return client, wire


# Heads


@on_every_loop
async def test_response_that_arrives_byte_by_byte_is_passed_on() -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK
        for at in range(len(answer)):
            await wire.send(answer[at : at + 1])
        assert (await client.response()).status == 103
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_interim_and_final_responses_in_one_piece_are_passed_on() -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK)
        assert [(await client.response()).status for _ in range(4)] == [102, 102, 102, 200]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, id="an endless head"),
        pytest.param(b"HTTP/1.1 101 Up\r\nUpgrade: magic\r\n\r\n", id="an unasked switch"),
        pytest.param(b"HTTP/1.1 103 Early\r\n\r\nrubbish\r\n\r\n", id="rubbish after a 103"),
    ],
)
@on_every_loop
async def test_invalid_response_gets_502(answer: bytes) -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(answer)
        response = await client.response()
        if response.status == 103:
            response = await client.response()
        assert response.status == 502
        # The client's connection persists: the error is the backend's.
        await client.send(get("/next"))
        assert (await bench.backend.serve())[1].target == b"/next"
        assert (await client.response()).status == 200


# Bodies


@on_every_loop
async def test_body_until_close_is_sent_in_chunks() -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\none")
        wire.finish()
        response = await client.response()
        assert (response.body, response.get(b"Transfer-Encoding")) == (b"one", b"chunked")
        await client.send(get("/next"))
        await bench.backend.serve()
        assert (await client.response()).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HEAD % 5 + b"four", id="length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n", id="chunked"
        ),
    ],
)
@pytest.mark.parametrize("end", ["close", "finish", "reset"])
@on_every_loop
async def test_truncated_body_cuts_the_response(answer: bytes, end: str) -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(answer)
        await client.until(b"four")
        {"close": wire.close, "finish": wire.finish, "reset": wire.reset}[end]()
        await client.rest()
        assert client.was_reset


@on_every_loop
async def test_broken_chunk_in_a_held_response_gets_502_and_is_reported() -> None:
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n")
        response = await client.response()
        assert response.status == 502
        assert b"a broken body" in response.body
        await wire.rest()  # the backend's connection is closed as well
        (line,) = bench.said
        assert line.startswith("GET /: the answer of the server has a broken body")


@on_every_loop
async def test_slow_client_blocks_the_backend_and_gets_all_bytes() -> None:
    async with serving() as bench:
        client = await bench.client(get(), receive_bytes=4096)
        wire, _ = await bench.backend.take()
        await wire.send(HEAD % MUCH)
        sent = await wire.send_until_stuck(b"x" * 65536)
        assert 0 < sent < MUCH
        head = await client.head()
        assert head.status == 200
        # Read and write in turn: each read of the client makes room for more.
        received = len(client.unread)
        client.unread = b""
        while received < MUCH:
            if sent < MUCH:
                sent += wire.send_some(b"x" * min(65536, MUCH - sent))
            assert await client.more()
            received += len(client.unread)
            client.unread = b""
        assert received == MUCH


# Reuse


@on_every_loop
async def test_backend_connection_is_reused_for_its_client() -> None:
    async with serving() as bench:
        client, wire = await kept(bench)
        for _ in range(3):
            assert (await bench.exchange(client, wire, get())).body == b"ok"


@on_every_loop
async def test_reused_connection_is_read_after_a_slow_client() -> None:
    """Reading paused at the end of a response must resume for the next response."""
    async with serving(send_bytes=4096) as bench:
        client = await bench.client(get("/long"), receive_bytes=4096)
        wire, _ = await bench.backend.take()
        # The last read of the proxy is larger than one read of the client.
        size = 200 * 1024
        await wire.send(HEAD % size + b"x" * size)
        assert len((await client.response()).body) == size
        assert (await bench.exchange(client, wire, get("/next"))).body == b"ok"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        pytest.param(get(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok+", id="surplus"),
        pytest.param(get(), OK + OK, id="two responses"),
        pytest.param(get(), b"HTTP/1.1 204 None\r\n\r\nbody", id="a body for 204"),
        pytest.param(get(method="HEAD"), OK, id="a body for HEAD"),
        pytest.param(get(), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
        pytest.param(
            get(),
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            id="Connection: close",
        ),
    ],
)
@on_every_loop
async def test_connection_with_doubtful_framing_is_not_reused(
    request_: bytes, answer: bytes
) -> None:
    async with serving() as bench:
        client, wire = await asked(bench, request_)
        await wire.send(answer)
        await client.response(request_.split(b" ")[0].decode())
        await wire.rest()  # closed
        await client.send(get("/next"))
        assert (await bench.backend.serve())[1].target == b"/next"
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_unsolicited_response_closes_an_idle_connection() -> None:
    async with serving() as bench:
        client, wire = await kept(bench)
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
        await wire.rest()
        await client.send(get("/next"))
        await bench.backend.serve()
        assert (await client.response()).body == b"ok"


# Responses before the end of the request


@on_every_loop
async def test_body_continues_after_an_early_response() -> None:
    async with serving() as bench:
        client = await bench.client(post(b"one", length=6))
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await wire.send(OK)
        assert (await client.response()).body == b"ok"
        await client.send(b"two")
        assert await wire.exactly(3) == b"two"
        assert (await bench.exchange(client, wire, get("/next"))).body == b"ok"


@on_every_loop
async def test_second_response_to_a_request_closes_the_connection() -> None:
    """A second response would be read as the response to the next request."""
    async with serving() as bench:
        client = await bench.client(post(b"one", length=6))
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await wire.send(OK)
        assert (await client.response()).body == b"ok"
        await wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
        await client.assert_closed()


@on_every_loop
async def test_body_after_an_early_response_with_surplus_is_not_read_as_a_request() -> None:
    async with serving() as bench:
        smuggled = get("/smuggled")
        client = await bench.client(post(b"one", length=3 + len(smuggled)))
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await wire.send(OK + b"surplus")
        assert (await client.response()).body == b"ok"
        await client.send(smuggled)
        await client.assert_closed()
        other = await bench.client(get("/canary"))
        assert (await bench.backend.serve())[1].target == b"/canary"
        await other.response()


@pytest.mark.parametrize("end", ["close", "finish", "reset", "end_generation"])
@on_every_loop
async def test_early_response_is_complete_if_the_backend_closes_afterwards(end: str) -> None:
    async with serving() as bench:
        client = await bench.client(post(b"one", length=6))
        wire = await bench.backend.accept()
        await wire.until(b"one")
        await wire.send(OK)
        await client.until(b"\r\n\r\n")
        {
            "close": wire.close,
            "finish": wire.finish,
            "reset": wire.reset,
            "end_generation": bench.stop,
        }[end]()
        assert await client.exactly(2) == b"ok"
        await client.assert_closed()


@on_every_loop
async def test_early_response_with_close_reaches_a_client_that_still_sends() -> None:
    async with serving() as bench:
        client = await bench.client(post(b"", length=MUCH))
        wire = await bench.backend.accept()
        await wire.head()
        await wire.send(
            b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"
        )
        wire.close()
        await client.until(b"\r\n\r\n")
        for _ in range(20):
            client.send_some(b"x" * 65536)
        assert await client.exactly(2) == b"no"


@on_every_loop
async def test_early_answer_survives_the_reset_behind_it() -> None:
    """A server that closes with a part of the upload unread resets the connection."""
    async with serving(is_open=False) as bench:
        with socket.create_server(("127.0.0.1", 0)) as server:
            bench.gate.open(Target(GenerationId("web", 1), *server.getsockname()))
            client = await bench.client(post(b"one", length=6))
            backend, _ = await asyncio.to_thread(server.accept)
        await eventually(lambda: bool(bench.upstreams))
        (upstream,) = bench.upstreams
        # Nothing is awaited from here on: the next write comes before the next read.
        with backend:
            while not backend.recv(65536).endswith(b"one"):
                pass
            backend.sendall(OK)
            backend.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        upstream.write(b"two")
        assert (await client.response()).body == b"ok"


@on_every_loop
async def test_cut_response_raises_truncated_error() -> None:
    """The reader of these tests distinguishes a cut from a complete response."""
    async with serving() as bench:
        client, wire = await asked(bench)
        await wire.send(HEAD % 100_000 + b"four")
        await client.until(b"four")
        wire.close()
        with pytest.raises(TruncatedError):
            await client.response()
