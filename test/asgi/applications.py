"""The ASGI application that the tests serve: the path of a request selects its behaviour."""

import asyncio
import hashlib
import json
from collections.abc import Mapping

from httpprocessproxy.asgi.interface import Event, Receive, Scope, Send

PIECE = bytes(range(256)) * 256  # 64 KiB


class Stage:
    """An application that records its events; the path of a request names one of its methods."""

    def __init__(self) -> None:
        self.lifespan: list[str] = []
        self.events: list[Event] = []
        self.sent_bytes = 0
        self.taken_bytes = 0
        self.go_on = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        path = str(scope["path"]).strip("/").replace("-", "_") or "scope"
        try:
            await getattr(self, path)(scope, receive, send)
        finally:
            self.has_ended.set()

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        assert isinstance(state, dict)
        state["pool"] = "a pool"
        for step in ("startup", "shutdown"):
            self.lifespan.append(str((await receive())["type"]))
            await send({"type": f"lifespan.{step}.complete"})

    async def scope(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with the scope, as JSON with bytes as text."""
        await _answer(send, json.dumps(scope, default=lambda value: value.decode("latin-1")))

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            event = await receive()
            more = bool(event["more_body"])
            await send({**event, "type": "http.response.body"})

    async def events_of_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        while not self.events or self.events[-1]["more_body"]:
            self.events.append(await receive())
        await _answer(send, "")
        self.events.append(await receive())

    async def wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait until the client leaves, and then respond all the same."""
        while not self.events or self.events[-1]["type"] != "http.disconnect":
            self.events.append(await receive())
        await _answer(send, "nobody")

    async def stay(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        self.go_on.set()
        await asyncio.Event().wait()

    async def raise_before(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("before")

    async def exit(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise SystemExit(3)

    async def raise_after(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("after")

    async def raise_between(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ValueError("between")

    async def return_before(self, scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def return_after(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async def too_short(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half"})

    async def own_fields(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"Alt-Svc", b'h3=":1"'), (b"Date", b"then"), (b"X-A", b"1"), (b"x-a", b"2")]
        await _answer(send, "", headers)

    async def hello(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond like the simplest application: one event of body, no Content-Length."""
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"Hello"})

    async def no_content(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    async def not_modified(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})

    async def trailers(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_them = "http.response.trailers" in str(scope.get("extensions"))
        await send({"type": "http.response.start", "status": 200, "trailers": has_them})
        await send({"type": "http.response.body", "body": b"x"})
        if has_them:
            await send({"type": "http.response.trailers", "headers": [(b"a", b"b")]})

    async def early(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond without reading the request's body."""
        await _answer(send, "enough")

    async def download(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with as many pieces as the query says."""
        count = int(bytes(scope["query_string"]))  # type: ignore[call-overload]
        await send({"type": "http.response.start", "status": 200})
        for number in range(count):
            more = number < count - 1
            await send({"type": "http.response.body", "body": PIECE, "more_body": more})
            self.sent_bytes += len(PIECE)

    async def upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for `go_on`, read the request's body, and respond with its SHA-256."""
        await self.go_on.wait()
        taken, more = hashlib.sha256(), True
        while more:
            event = await receive()
            body = event["body"]
            assert isinstance(body, bytes)
            taken.update(body)
            self.taken_bytes += len(body)
            more = bool(event["more_body"])
        await _answer(send, taken.hexdigest())

    # WebSockets

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the scope, and then echo messages."""
        assert (await receive())["type"] == "websocket.connect"
        subprotocols = scope["subprotocols"]
        assert isinstance(subprotocols, list)
        await send({"type": "websocket.accept", "subprotocol": next(iter(subprotocols), None)})
        text = json.dumps(scope, default=lambda value: value.decode("latin-1"))
        await send({"type": "websocket.send", "text": text})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
        self.events.append(event)

    async def refusing(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    async def denying(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "websocket.http.response.start", "status": 401}
        await send({**start, "headers": [(b"alt-svc", b'h3=":1"')]})
        await send({"type": "websocket.http.response.body", "body": b"who?"})


async def _answer(send: Send, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    length = (b"content-length", b"%d" % len(body))
    start: Mapping[str, object] = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [length, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
