"""HTTP/3 as a whole: requests and responses, with a `Handler` that the test plays."""

from test.front_door.http3_fronts import answering, ending_http3
from test.loops import on_every_loop


@on_every_loop
async def test_a_request_is_answered() -> None:
    async with ending_http3(answering) as front:
        client = await front.client()
        answer = await client.fetch()
        assert (answer.status, bytes(answer.body)) == (200, b"GET /")
