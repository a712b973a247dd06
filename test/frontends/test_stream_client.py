"""Requests on streams: framing, back-pressure, cancellation and trust."""

from ipaddress import IPv4Network, ip_network

import pytest

from httpprocessproxy.frontends.streams import Fields, StreamReset
from test.fakes import OK, Peer
from test.frontends.stream_clients import asked, streaming
from test.loops import eventually, on_every_loop, turn

KIB = 1024
HOST = b";host=localhost;proto=https"

# Framing of a request


@on_every_loop
async def test_request_without_a_body_has_no_framing_fields() -> None:
    async with streaming() as streams:
        _, stream = streams.get()
        peer, request = await streams.backend.take()
        assert request.first == b"GET / HTTP/1.1"
        assert request.get(b"Host") == b"localhost"
        assert request.get(b"Content-Length") is request.get(b"Transfer-Encoding") is None
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert (stream.status, bytes(stream.content)) == (200, b"ok")


@pytest.mark.parametrize(
    ("fields", "framing"),
    [
        ([(b"content-length", b"6")], (b"6", None)),
        ([], (None, b"chunked")),
    ],
)
@on_every_loop
async def test_body_is_sent_with_its_length_or_in_chunks(
    fields: Fields, framing: tuple[bytes | None, bytes | None]
) -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", fields))
        client.body(b"abc")
        peer = await streams.backend.accept()
        await peer.until(b"abc")
        client.body(b"def")
        client.end()
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert stream.consumed_bytes == 6
        client, stream = streams.begin(asked(b"POST", fields))
        client.body(b"abc")
        client.body(b"def")
        client.end()
        request = await (await streams.backend.accept()).request()
        assert request.body == b"abcdef"
        assert (request.get(b"Content-Length"), request.get(b"Transfer-Encoding")) == framing


@on_every_loop
async def test_late_body_is_sent_in_chunks() -> None:
    async with streaming() as streams:
        client, _ = streams.begin(asked(b"GET"))
        peer = await streams.backend.accept()
        request = await peer.head()
        assert request.get(b"Transfer-Encoding") == b"chunked"
        client.end()
        assert await peer.until(b"\r\n\r\n") == b"0"


@on_every_loop
async def test_trailers_of_a_request_are_sent() -> None:
    async with streaming() as streams:
        client, _ = streams.begin(asked(b"POST", [(b"te", b"trailers")]))
        client.body(b"abc")
        client.end([(b"x-sum", b"1")])
        peer = await streams.backend.accept()
        assert (await peer.head()).get(b"TE") == b"trailers"
        assert await peer.until(b"\r\n\r\n") == b"3\r\nabc\r\n0\r\nx-sum: 1"


@pytest.mark.parametrize("body", [b"ab", b"abcd"])
@on_every_loop
async def test_body_that_differs_from_its_content_length_resets_the_stream(body: bytes) -> None:
    """The backend would read the excess as the next request."""
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", [(b"content-length", b"3")]))
        client.body(body)
        if stream.why is None:
            client.end()
        assert stream.why is StreamReset.INTERNAL
        client.body(b"and more")
        client.end()
        streams.get(asked(path=b"/next"))
        peer, request = await streams.backend.take()
        assert request.target == b"/next"
        assert not peer.unread


@on_every_loop
async def test_invalid_request_is_refused_without_a_connection() -> None:
    async with streaming() as streams:
        for fields in ([(b"content-length", b"1"), (b"content-length", b"2")], [(b"a", b"b\r\nc")]):
            _, stream = streams.get(asked(b"POST", fields))
            assert stream.status == 400
            assert not stream.is_reading
        _, stream = streams.get(asked(b"CONNECT", protocol=b"connect-udp"))
        assert stream.status == 501
        assert not streams.bench.upstreams


@on_every_loop
async def test_refused_request_gets_no_content_for_head() -> None:
    async with streaming() as streams:
        for method, has_content in ((b"GET", True), (b"HEAD", False)):
            _, stream = streams.get(asked(method, [(b"a", b"b\r\nc")]))
            assert (stream.status, bool(stream.content)) == (400, has_content)


@on_every_loop
async def test_body_of_a_refused_request_is_discarded() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", [(b"a", b"b\r\nc")]))
        client.body(b"abc")
        assert (stream.status, stream.is_reading) == (400, False)
        client.end()
        assert stream.has_ended


# Back-pressure


@on_every_loop
async def test_backend_that_does_not_read_stops_the_upload() -> None:
    async with streaming(receive_bytes=64 * KIB) as streams:
        client, stream = streams.begin(asked(b"POST"))
        sent = 0
        peer: Peer | None = None
        idle = 0
        while idle < 30:
            if sent - stream.consumed_bytes < 256 * KIB:
                client.body(b"x" * 16 * KIB)
                sent += 16 * KIB
                idle = 0
            peer = peer or await streams.backend.accept()
            idle += 1
            await turn()
        assert stream.consumed_bytes < sent < 5 * 2**20
        client.end()
        assert peer is not None
        request = await peer.request()
        assert request.body == b"x" * sent
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)
        assert stream.consumed_bytes == sent


@on_every_loop
async def test_upload_of_a_held_request_stops_at_64_kib_and_resumes_when_it_is_admitted() -> None:
    async with streaming(is_open=False) as streams:
        client, stream = streams.begin(asked(b"POST"))
        client.body(b"x" * 63 * KIB)
        assert stream.consumed_bytes == 63 * KIB
        client.body(b"y" * 16 * KIB)
        client.body(b"z" * 16 * KIB)
        await streams.bench.held(1)
        assert stream.consumed_bytes == 63 * KIB
        streams.bench.start()
        peer = await streams.backend.accept()
        await eventually(lambda: stream.consumed_bytes == 95 * KIB)
        client.end()
        request = await peer.request()
        assert request.body == b"x" * 63 * KIB + b"y" * 16 * KIB + b"z" * 16 * KIB
        await peer.send(OK)
        await eventually(lambda: stream.has_ended)


@on_every_loop
async def test_paused_stream_stops_the_response() -> None:
    async with streaming() as streams:
        client, stream = streams.get()
        peer, _ = await streams.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nx")
        await eventually(lambda: stream.status == 200)
        client.pause()
        before = len(stream.content)
        await peer.send_until_stuck(b"x" * 64 * KIB)
        assert len(stream.content) == before
        client.resume()
        await eventually(lambda: len(stream.content) > before)


# Restarts


@on_every_loop
async def test_restart_during_an_upload_gives_502() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST", [(b"content-length", b"6")]))
        client.body(b"abc")
        peer = await streams.backend.accept()
        await peer.until(b"abc")
        streams.bench.restart()
        assert stream.status == 502
        assert b"may have taken effect" in stream.content
        assert not stream.is_reading
        client.body(b"def")  # on its way when the response was sent
        client.end()
        assert stream.why is None


@on_every_loop
async def test_restart_during_a_safe_upload_sends_it_again() -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"GET"))
        client.body(b"abc")
        peer = await streams.backend.accept()
        await peer.until(b"abc")
        streams.bench.restart()
        client.body(b"def")
        client.end()
        _, request = await streams.backend.serve()
        assert request.body == b"abcdef"
        await eventually(lambda: stream.has_ended)
        assert (stream.status, stream.consumed_bytes) == (200, 6)


# Cancellation


@on_every_loop
async def test_reset_closes_the_connection_to_the_backend() -> None:
    async with streaming() as streams:
        client, stream = streams.get()
        peer, _ = await streams.backend.take()
        client.reset()
        assert await peer.rest() == b""
        assert not stream.is_over
        assert not streams.bench.proxy_server.context.clients


@pytest.mark.parametrize("has_body", [True, False])
@on_every_loop
async def test_request_that_is_reset_at_once_is_not_sent(has_body: bool) -> None:
    async with streaming() as streams:
        client, stream = streams.begin(asked(b"POST"))
        if has_body:
            client.body(b"abc")
        client.reset()
        streams.get(asked(path=b"/next"))
        _, request = await streams.backend.take()
        assert request.target == b"/next"
        assert not stream.is_over


@on_every_loop
async def test_reset_of_a_held_request_leaves_the_gate() -> None:
    async with streaming(is_open=False) as streams:
        client, _ = streams.get()
        await streams.bench.held(1)
        client.reset()
        assert streams.bench.gate.held == 0


@on_every_loop
async def test_exit_of_the_data_plane_resets_open_requests() -> None:
    async with streaming() as streams:
        await streams.pooled()
        _, idle = streams.get()
        _, unsafe = streams.get(asked(b"POST"))
        await (await streams.backend.accept()).request()
        _, unconnected = streams.get()
        client, unbegun = streams.begin()
        streams.bench.proxy_server._abort_all()
        requests = (idle, unsafe, unconnected, unbegun)
        assert [stream.why for stream in requests] == [StreamReset.INTERNAL] * 4
        client.end()
        assert unbegun.status == 0


# Trust


FORWARDING: Fields = [
    (b"forwarded", b"for=198.51.100.7"),
    (b"x-forwarded-for", b"198.51.100.7"),
    (b"x-real-ip", b"198.51.100.7"),
    (b"x_forwarded_for", b"198.51.100.7"),
]


@pytest.mark.parametrize(
    ("ip", "element"),
    [("192.0.2.1", b"for=192.0.2.1" + HOST), ("2001:db8::1", b'for="[2001:db8::1]"' + HOST)],
)
@on_every_loop
async def test_backend_gets_the_address_of_the_client(ip: str, element: bytes) -> None:
    async with streaming() as streams:
        streams.get(asked(client=(ip, 50000)))
        _, request = await streams.backend.take()
        assert request.get(b"Forwarded") == element
        assert request.get(b"X-Forwarded-For") == ip.encode()
        assert request.get(b"X-Forwarded-Host") == b"localhost"
        assert request.get(b"X-Forwarded-Proto") == b"https"
        assert (request.get(b"Via") or b"").startswith(b"2 http-process-proxy-")


@on_every_loop
async def test_forwarding_fields_of_an_untrusted_client_are_dropped() -> None:
    async with streaming(trusted=()) as streams:
        streams.get(asked(fields=FORWARDING))
        _, request = await streams.backend.take()
        assert all(b"198.51.100.7" not in value for _, value in request.headers)


@on_every_loop
async def test_forwarding_fields_of_a_trusted_client_are_passed_on() -> None:
    async with streaming() as streams:
        streams.get(asked(fields=FORWARDING))
        _, request = await streams.backend.take()
        forwarded = b"for=198.51.100.7, for=192.0.2.1" + HOST
        assert request.get(b"Forwarded") == forwarded
        assert request.get(b"X-Forwarded-For") == b"198.51.100.7, 192.0.2.1"


@pytest.mark.parametrize(
    ("trusted", "generation"),
    [((ip_network("127.0.0.0/8"),), b"1"), ((ip_network("192.0.2.0/24"),), None)],
)
@on_every_loop
async def test_generation_is_sent_to_trusted_clients_only(
    trusted: tuple[IPv4Network], generation: bytes | None
) -> None:
    async with streaming(trusted=trusted) as streams:
        _, stream = streams.get(asked(client=("127.0.0.1", 50000)))
        await streams.backend.serve()
        await eventually(lambda: stream.has_ended)
        assert dict(stream.fields).get(b"hpp-generation") == generation
