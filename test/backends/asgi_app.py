"""An ASGI application: uvicorn --port PORT asgi_app:app."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

VERSION = Path("version").read_bytes()
Message = Mapping[str, object]


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    assert scope["type"] == "http"
    headers = [(b"content-length", b"%d" % len(VERSION))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": VERSION})
