"""An HTTP server and a fake name server for tests of the fetch client."""

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import web
from aiohttp.abc import ResolveResult

from httpprocessproxy.companions.fetch_client import FetchOrigin


class Server:
    """Echoes method and path, records requests, and redirects /to?URL to URL."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.port = 0
        self.status = 302

    @property
    def origin(self) -> FetchOrigin:
        return FetchOrigin("http", "127.0.0.1", self.port)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if request.path == "/to":
            location = {"Location": request.rel_url.raw_query_string}
            return web.Response(status=self.status, headers=location)
        return web.Response(text=f"{request.method} {request.raw_path}")

    @contextlib.asynccontextmanager
    async def serving(self, path: Path | None = None) -> AsyncIterator["Server"]:
        """Listen on loopback, or on a Unix socket."""
        runner = web.ServerRunner(
            web.Server(self._handle, handler_cancellation=True), shutdown_timeout=0.1
        )
        await runner.setup()
        try:
            site: web.BaseSite
            site = web.UnixSite(runner, path) if path else web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            if path is None:
                self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, web.BaseRequest)
        return await self.answer(request)  # type: ignore[arg-type]


class Names:
    """A fake name server: each name has a list of answers, used in order; the last one repeats."""

    def __init__(self, answers: Mapping[str, list[list[str]]]) -> None:
        self.asked: list[str] = []
        self._answers = {name: list(all_of_it) for name, all_of_it in answers.items()}

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._answers.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [_result(host, port, address) for address in found]


def _result(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )
