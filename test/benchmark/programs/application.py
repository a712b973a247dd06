"""An ASGI application with the same response as the backend behind the proxies."""

from collections.abc import Awaitable, Callable, Mapping

from test.benchmark.backends import MODULE

BODY = MODULE.encode()
START: Mapping[str, object] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/javascript"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


async def app(
    scope: Mapping[str, object],
    receive: Callable[[], Awaitable[object]],
    send: Callable[[Mapping[str, object]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        raise NotImplementedError("no lifespan, no WebSockets")
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
