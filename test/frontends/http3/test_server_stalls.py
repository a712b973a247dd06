"""HTTP/3 clients with stalled uploads and downloads: the proxy's buffers stay limited."""

from test.frontends.http2_client import get
from test.frontends.http3_fronts import fronting
from test.loops import on_every_loop

MIB = 2**20


@on_every_loop
async def test_upload_to_a_stalled_backend_is_not_buffered_without_limit() -> None:
    """The windows and socket buffers fill up; then the client has to wait."""
    async with fronting() as front:
        client = await front.client()
        stream_id = await client.ask(get(method=b"POST"), None)
        peer = await front.bench.backend.accept()
        await peer.head()
        client.http.send_data(stream_id, bytes(24 * MIB), end_stream=True)
        client.transmit()
        sent = -1
        sender = client.quic._streams[stream_id].sender
        while sent < sender.highest_offset:
            sent = sender.highest_offset
            for _ in range(100):
                await client.ping()
        assert 0 < sent < 12 * MIB
        other = await client.ask()
        await front.bench.backend.serve()
        assert (await client.answer(other)).status == 200


@on_every_loop
async def test_stalled_download_is_not_buffered_without_limit() -> None:
    async with fronting() as front:
        client = await front.client(stingy=True)
        await client.ask(get("/large"))
        peer, _ = await front.bench.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        assert await peer.send_until_stuck(b"x" * 65_536) < 32 * MIB
