"""The readiness probe: connects repeatedly, then sends one request (`--ping`).

Any valid HTTP response will do: a 404 or a 500 comes from a server that serves. So will the
response to a held request: this *first request* is sent on the first connection, and saves the
round trip of a ping, during which many frameworks load the rest of an app.

With an inherited socket (`--socket`), a connection succeeds at once and proves nothing. It waits
in the kernel's queue until a server accepts it; the probe sends a request only then. A first
request in that queue could not be refused in time, nor get the page that shows the start.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httptools

from httpprocessproxy.config import Address, Readiness
from httpprocessproxy.core.http.ip import parsed_ip
from httpprocessproxy.system.sockets import connect

# Pauses of a millisecond at first (a refused connect costs some 20 µs), then of 0.3 % of the time
# waited so far: the probe delays a start by about 0.3 % at most.
FIRST_PAUSE_S = 0.001
PAUSE_SHARE = 0.003
LAST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Time limits of the probe, in seconds.

    After `first_request_s` a ping is sent besides the first request, which may be a long poll. A
    connection without a response for `answer_s` may belong to a listener that has gone. A full
    queue drops connections; the kernel tries again after 1 s and after 3 s (tcp(7)), and a connect
    takes `connect_s` at most.
    """

    first_request_s: float = 0.25
    answer_s: float = 30.0
    connect_s: float = 3.5


# Sends a held request on a connection to a host; the request owns the connection then. The
# future's result is whether it was answered; None without a held request.
SendFirstRequest = Callable[[str, socket.socket], asyncio.Future[bool] | None]


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks one host whether its server is ready."""

    host: str
    port: int
    ping: Readiness
    limits: ProbeLimits = ProbeLimits()

    async def succeeds(self) -> bool:
        """Whether a ping on a new connection succeeds."""
        sock = await self.connect()
        return sock is not None and await self.succeeds_on(sock)

    async def succeeds_on(self, sock: socket.socket) -> bool:
        """Readiness on a connection with HEAD, and without a response on a new one with GET."""
        if self.ping.kind == "tcp":
            sock.close()
            return True
        if await self._answers(sock, "HEAD"):
            return True
        # HEAD is the cheapest for a backend, but WebSocket-only servers close without a response.
        again = await self.connect()
        return again is not None and await self._answers(again, "GET")

    async def succeeds_beside(self, first_request: asyncio.Future[bool]) -> bool:
        """Whether the first request is answered, or a ping that is sent some time after it."""
        await asyncio.wait((first_request,), timeout=self.limits.first_request_s)
        if first_request.done():
            return first_request.result()
        async with asyncio.TaskGroup() as group:
            pinging = group.create_task(self.succeeds(), name="ping")
            await asyncio.wait((first_request, pinging), return_when=asyncio.FIRST_COMPLETED)
            if first_request.done() and first_request.result():
                pinging.cancel()
                return True
            return await pinging

    async def still_answers(self, timeout_s: float) -> bool:
        """Whether a server that was ready answers an HTTP ping; a TCP ping would prove nothing."""
        if self.ping.kind == "tcp":
            return False
        try:
            async with asyncio.timeout(timeout_s):
                return await self.succeeds()
        except TimeoutError:
            return False

    async def connect(self) -> socket.socket | None:
        """Connect; return None on failure, at once if no server listens."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            return None  # a kernel without IPv6
        try:
            sock.setblocking(False)
            async with asyncio.timeout(self.limits.connect_s):
                if parsed_ip(self.host) is not None:
                    await connect(sock, self.host, self.port)
                else:  # its look-up may be slow
                    await loop.sock_connect(sock, (self.host, self.port))
        except OSError:
            sock.close()
            return None
        except BaseException:
            sock.close()
            raise
        return sock

    async def _answers(self, sock: socket.socket, method: str) -> bool:
        """Send a request; close the connection after the head of the response or a failure."""
        loop = asyncio.get_running_loop()
        response = _Response()
        parser = response.parser = httptools.HttpResponseParser(response)
        request = _request(method, self.ping.path, Address(self.host, self.port))
        try:
            with sock:
                async with asyncio.timeout(self.limits.answer_s):
                    await loop.sock_sendall(sock, request)
                    while not response.is_valid and (data := await loop.sock_recv(sock, 64 * 1024)):
                        parser.feed_data(data)
        except OSError:
            return False
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return response.is_valid  # bytes after a valid head do not matter
        return response.is_valid


async def wait_until_ready(
    probes: Sequence[Probe],
    send_first_request: SendFirstRequest | None = None,
    has_waiting: Callable[[], bool] | None = None,
) -> Probe:
    """Wait without a time limit; return the one of `probes` whose host answers.

    `send_first_request` is called once, with the first connection. `has_waiting`, for an inherited
    socket, returns whether its queue has connections that are not accepted yet.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        for probe in probes:
            sock = await probe.connect()
            if sock is None:
                continue
            if has_waiting is not None:
                await _until_accepted(sock, has_waiting)
            first_request = send_first_request(probe.host, sock) if send_first_request else None
            send_first_request = None
            succeeds = (
                probe.succeeds_on(sock)
                if first_request is None
                else probe.succeeds_beside(first_request)
            )
            if await succeeds:
                return probe
        await pause(began)


async def _until_accepted(sock: socket.socket, has_waiting: Callable[[], bool]) -> None:
    """Wait until the server has accepted all queued connections, of which `sock` is the last."""
    began = asyncio.get_running_loop().time()
    try:
        # Pause first: the handshake may end a moment after connect(2) has returned.
        await pause(began)
        while has_waiting():
            await pause(began)
    except BaseException:
        sock.close()
        raise


async def pause(began: float) -> None:
    """Pause between two checks of a start that began at `began`, in seconds of the event loop."""
    waited = asyncio.get_running_loop().time() - began
    await asyncio.sleep(min(max(FIRST_PAUSE_S, waited * PAUSE_SHARE), LAST_PAUSE_S))


class _Response:
    """`is_valid` once the head of a final response is complete (RFC 9110 section 15.2)."""

    parser: httptools.HttpResponseParser
    is_valid = False

    def on_headers_complete(self) -> None:
        self.is_valid = self.parser.get_status_code() >= 200


def _request(method: str, path: str, host: Address) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        "User-Agent: http-process-proxy",
        "Accept: */*",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
