"""Is the backend ready? Connect again and again, then ask for one response (`--ping`).

Any valid HTTP response will do: a 404 or a 500 comes from a server that serves. So will the answer
to a request that waits: such a *scout* goes on the first connection that is made, and saves the
round trip of a ping, which for many frameworks is the one that makes them load the rest of an app.

Where the socket is ours (`--socket`), a connection can be made at once and proves nothing. It waits
in the kernel's queue until a server accepts it; only then something is asked on it. A scout that
waited there, too, could neither be refused in time nor see the page that shows the start.
"""

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httptools

from httpprocessproxy.config import Address, PingKind

# Every millisecond at first (a refused connect costs some 20 µs), then at 0.3 % of the time waited
# so far: the probe never makes a start last more than about 0.3 % longer.
FIRST_PAUSE_S = 0.001
PAUSE_SHARE = 0.003
LAST_PAUSE_S = 0.1

# How long the scout may take before the ping is sent beside it: it may be a long poll.
SCOUT_S = 0.25

# A connection that stays silent for so long may have been made to a listener that has gone.
ANSWER_TIMEOUT_S = 30.0
# A queue that is full drops what comes; the kernel tries again after 1 s and after 3 s (tcp(7)).
CONNECT_TIMEOUT_S = 3.5


@dataclass(frozen=True, slots=True)
class Ping:
    kind: PingKind
    path: str


# Sends a request that waits on a connection to a host, which is the scout's then, and tells
# whether it was answered; None if there is no such request.
Scouting = Callable[[str, socket.socket], asyncio.Future[bool] | None]


async def wait_until_ready(
    hosts: Sequence[str],
    port: int,
    ping: Ping,
    scouting: Scouting | None = None,
    has_waiting: Callable[[], bool] | None = None,
) -> str:
    """Return the one of `hosts` at which the backend answers. Waits for as long as it takes.

    `scouting` is tried once, with the first connection that can be made. `has_waiting` tells of a
    queue that takes connections before there is a backend.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        for host in hosts:
            sock = await _connect(host, port)
            if sock is None:
                continue
            if has_waiting is not None:
                await _until_accepted(sock, has_waiting)
            first_request = scouting(host, sock) if scouting is not None else None
            scouting = None
            asking = (
                _answers(sock, host, port, ping)
                if first_request is None
                else _either(first_request, host, port, ping)
            )
            if await asking:
                return host
        await _pause(began)


async def answers_within(timeout_s: float, host: str, port: int, ping: Ping) -> bool:
    """Whether a backend that was ready answers its ping; a connection alone shows nothing."""
    if ping.kind == "tcp":
        return False
    try:
        async with asyncio.timeout(timeout_s):
            return await _ping(host, port, ping)
    except TimeoutError:
        return False


async def _until_accepted(sock: socket.socket, has_waiting: Callable[[], bool]) -> None:
    """Wait until nothing waits to be accepted any more, of which `sock` is the last."""
    began = asyncio.get_running_loop().time()
    try:
        # First the pause: the end of the handshake may come a moment after connect(2) returned.
        await _pause(began)
        while has_waiting():
            await _pause(began)
    except BaseException:
        sock.close()
        raise


async def _pause(began: float) -> None:
    waited = asyncio.get_running_loop().time() - began
    await asyncio.sleep(min(max(FIRST_PAUSE_S, waited * PAUSE_SHARE), LAST_PAUSE_S))


async def _either(first_request: asyncio.Future[bool], host: str, port: int, ping: Ping) -> bool:
    """Whether the scout is answered, or the ping that is sent beside it after a while."""
    await asyncio.wait((first_request,), timeout=SCOUT_S)
    if first_request.done():
        return first_request.result()
    async with asyncio.TaskGroup() as group:
        pinging = group.create_task(_ping(host, port, ping), name="ping")
        await asyncio.wait((first_request, pinging), return_when=asyncio.FIRST_COMPLETED)
        if first_request.done() and first_request.result():
            pinging.cancel()
            return True
        return await pinging


async def _ping(host: str, port: int, ping: Ping) -> bool:
    sock = await _connect(host, port)
    return sock is not None and await _answers(sock, host, port, ping)


async def _answers(sock: socket.socket, host: str, port: int, ping: Ping) -> bool:
    """Ask on a connection, and once more on a new one if need be."""
    if ping.kind == "tcp":
        sock.close()
        return True
    if await _answers_http(sock, _request("HEAD", ping.path, host, port)):
        return True
    # HEAD costs a backend least, but WebSocket-only servers close without answering it.
    again = await _connect(host, port)
    return again is not None and await _answers_http(again, _request("GET", ping.path, host, port))


async def _connect(host: str, port: int) -> socket.socket | None:
    """Connect, or return None, at once if nobody listens."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # a kernel without IPv6
    try:
        sock.setblocking(False)
        if _is_address(host):
            _begin_to_connect(sock, host, port)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.sock_connect(sock, (host, port))
    except OSError as error:
        if error.errno == errno.EISCONN:
            return sock  # so says BSD of what was begun and is done, and Linux says nothing
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


def _begin_to_connect(sock: socket.socket, host: str, port: int) -> None:
    """Raise OSError if it is refused at once, as the loopback does it: a sixth of the cost."""
    sock.connect_ex((host, port))
    if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(error, os.strerror(error))


def _is_address(host: str) -> bool:
    """Whether nobody has to be asked for the address of `host`, which would take time."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _answers_http(sock: socket.socket, request: bytes) -> bool:
    """Send a request, and close the connection once its answer begins, or does not."""
    loop = asyncio.get_running_loop()
    response = _Response()
    parser = response.parser = httptools.HttpResponseParser(response)
    try:
        with sock:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await loop.sock_sendall(sock, request)
                while not response.is_valid and (data := await loop.sock_recv(sock, 64 * 1024)):
                    parser.feed_data(data)
    except OSError:
        return False
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return response.is_valid  # what comes after a good head is none of the probe's business
    return response.is_valid


class _Response:
    """`is_valid` once its head is complete: that of a final response (RFC 9110 section 15.2)."""

    parser: httptools.HttpResponseParser
    is_valid = False

    def on_headers_complete(self) -> None:
        self.is_valid = self.parser.get_status_code() >= 200


def _request(method: str, path: str, host: str, port: int) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {Address(host, port)}",
        "User-Agent: http-process-proxy",
        "Accept: */*",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
