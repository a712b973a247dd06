"""HTTP/2 clients with stalled uploads and downloads: other requests are not blocked."""

import itertools

from test.fakes import OK
from test.frontends.fronts import fronting
from test.frontends.http2_client import get
from test.loops import on_every_loop

MIB = 2**20


@on_every_loop
async def test_upload_to_a_stalled_backend_is_not_buffered_without_limit() -> None:
    """The windows and socket buffers fill up; then the client has to wait."""
    async with fronting() as front:
        client = await front.client()
        await client.fetch_settings()
        stream_id = await client.ask(get(method=b"POST"), None)
        peer = await front.bench.backend.accept()
        await peer.head()
        sent = 0
        for idle in itertools.count():
            window = client.state.local_flow_control_window(stream_id)
            if window > 0:
                await client.upload(stream_id, b"x" * min(window, 65_536))
                sent += min(window, 65_536)
            elif idle > 400:
                break
            client.state.ping(b"12345678")
            await client.flush()
            await client.more()
        assert sent < 12 * MIB
        other = await client.ask()
        await front.bench.backend.serve()
        assert (await client.answer(other)).status == 200


@on_every_loop
async def test_stalled_download_does_not_block_the_others() -> None:
    async with fronting() as front:
        client = await front.client()
        client.state.increment_flow_control_window(16 * MIB)
        client.stingy = True
        stalled = await client.ask(get("/large"))
        peer, _ = await front.bench.backend.take()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        assert await peer.send_until_stuck(b"x" * 65_536) < 32 * MIB
        await client.body(stalled, 1)
        client.stingy = False
        stream_id = await client.ask()
        other, _ = await front.bench.backend.serve()
        await client.answer(stream_id)
        for _ in range(10):
            stream_id = await client.ask()
            await other.request()
            await other.send(OK)
            assert bytes((await client.answer(stream_id)).body) == b"ok"
