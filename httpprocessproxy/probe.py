"""Is the backend ready? Connect again and again, then ask for one response (`--ping`).

Any valid HTTP response will do: a 404 or a 500 comes from a server that serves.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import httptools

from httpprocessproxy.config import PingKind

# Every millisecond at first (a refused connect costs some 50 µs), then at 1 % of the time waited
# so far: the probe never makes a start last more than about 1 % longer.
FIRST_PAUSE_S = 0.001
PAUSE_SHARE = 0.01
LAST_PAUSE_S = 0.1

# A connection that stays silent for so long may have been made to a listener that has gone.
ANSWER_TIMEOUT_S = 30.0

# HEAD costs a backend least. WebSocket-only servers close without answering it, and answer GET.
METHODS = ("HEAD", "GET")


@dataclass(frozen=True, slots=True)
class Ping:
    kind: PingKind
    path: str


async def wait_until_ready(hosts: Sequence[str], port: int, ping: Ping) -> str:
    """Return the one of `hosts` at which the backend answers. Waits for as long as it takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        for host in hosts:
            if await _answers(host, port, ping):
                return host
        waited = loop.time() - began
        await asyncio.sleep(min(max(FIRST_PAUSE_S, waited * PAUSE_SHARE), LAST_PAUSE_S))


async def _answers(host: str, port: int, ping: Ping) -> bool:
    if ping.kind == "tcp":
        sock = await _connect(host, port)
        if sock is not None:
            sock.close()
        return sock is not None
    for method in METHODS:
        sock = await _connect(host, port)
        if sock is None:
            return False
        with sock:
            if await _answers_http(sock, _request(method, ping.path, host, port)):
                return True
    return False


async def _connect(host: str, port: int) -> socket.socket | None:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # a kernel without IPv6
    try:
        sock.setblocking(False)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await loop.sock_connect(sock, (host, port))
    except (OSError, TimeoutError):
        sock.close()
        return None
    except BaseException:
        sock.close()
        raise
    return sock


async def _answers_http(sock: socket.socket, request: bytes) -> bool:
    loop = asyncio.get_running_loop()
    response = _Response()
    parser = httptools.HttpResponseParser(response)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await loop.sock_sendall(sock, request)
            while not response.is_valid and (data := await loop.sock_recv(sock, 64 * 1024)):
                parser.feed_data(data)
    except (OSError, TimeoutError):
        return False
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return response.is_valid  # what comes after a good head is none of the probe's business
    return response.is_valid


class _Response:
    is_valid = False

    def on_headers_complete(self) -> None:
        self.is_valid = True


def _request(method: str, path: str, host: str, port: int) -> bytes:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {authority}",
        "User-Agent: http-process-proxy",
        "Accept: */*",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
