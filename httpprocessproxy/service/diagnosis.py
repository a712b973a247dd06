"""The diagnosis of a server that does not answer yet, or has stopped answering.

For a long start it reports the address at which the server listens, and the protocol: a wrong port
and TLS are the most common mistakes of new users, and the readiness probe only sees that no answer
comes. A server that has answered may deadlock later: that is reported, but the server keeps
running.
"""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.page import ansi
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import InheritedSocket, ProcessTree, accepting, listening_in_tree

# The times of the first diagnoses of a start, in seconds since it began; then the interval.
FIRST_LOOKS_S: Final = (2.0, 10.0)
LATER_LOOKS_S: Final = 30.0

# After so long a silence the server is pinged, since it may only have a slow endpoint or a long
# poll. After each response to a ping the patience doubles, to keep pings rare in the server's log.
SILENCE_S: Final = 30.0
SILENCE_LOOKS_S: Final = 5.0
SILENCE_PING_S: Final = 5.0
SILENCE_GROWTH: Final = 2

# A TLS server that is not busy answers a ClientHello at once.
_TLS_TIMEOUT_S: Final = 1.0
# TLSPlaintext.type of an alert and of a handshake message: RFC 8446 section 5.1.
_TLS_RECORDS: Final = (b"\x15", b"\x16")

# `node --inspect` listens on this port before the program listens, and answers HTTP.
NODE_INSPECTOR_PORT: Final = 9229

_MAX_LINE: Final = 120


async def looks() -> AsyncIterator[float]:
    """Sleep until each diagnosis is due; yield the seconds since the start."""
    passed = 0.0
    for at in FIRST_LOOKS_S:
        await asyncio.sleep(at - passed)
        yield (passed := at)
    while True:
        await asyncio.sleep(LATER_LOOKS_S)
        yield (passed := passed + LATER_LOOKS_S)


async def watch_for_silence(
    silence: Callable[[], Silence | None],
    answers: Callable[[], Awaitable[bool]],
    report: Callable[[str], None],
) -> None:
    """Report each silence of the server once.

    `silence` returns the silence for the requests that wait now, `answers` pings the server.
    """
    patience_s = SILENCE_S
    while True:
        await asyncio.sleep(SILENCE_LOOKS_S)
        present = silence()
        if present is None:
            continue
        if present.lasted_s < SILENCE_S:
            patience_s = SILENCE_S  # a new silence has begun
        if present.lasted_s < patience_s:
            continue
        if await answers():
            patience_s = SILENCE_GROWTH * present.lasted_s
        elif (present := silence()) is not None and present.lasted_s >= SILENCE_S:
            report(silent(present))
            patience_s = math.inf


def silent(silence: Silence) -> str:
    """The message that a server has stopped answering, with advice."""
    waiting = "1 request waits" if silence.requests == 1 else f"{silence.requests} requests wait"
    return (
        f"the server has answered nothing for {silence.lasted_s:.0f} s ({waiting}): "
        "its own log may say why; a save restarts it, or the key r"
    )


async def diagnose(
    address: Address,
    tree: ProcessTree,
    pid: int,
    inherited: InheritedSocket | None,
    tail: Callable[[], bytes],
) -> str:
    """Return the likely reason why the tree, with the child `pid`, does not answer at `address`.

    `tail` returns the end of its output.
    """
    is_accepting = inherited is None or not inherited.has_waiting()
    if is_accepting and (hosts := await accepting(address)):
        if await _speaks_tls(hosts[0], address.port):
            return (
                f"{address} speaks TLS, and the proxy speaks plain HTTP to the server: "
                "start it without TLS, and use --tls to serve HTTPS"
            )
        return (
            f"{address} accepts connections, but does not answer an HTTP request yet "
            "(--ping-path asks for another path, --ping tcp for none)"
        )
    places = await asyncio.to_thread(listening_in_tree, tree, pid)
    silent = {NODE_INSPECTOR_PORT} | ({address.port} if inherited is not None else set())
    places = [place for place in places if place.port not in silent]
    if places:
        return elsewhere(address, places, is_inherited=inherited is not None)
    last = last_line(tail())
    verb = "does not listen" if inherited is None else "does not accept connections"
    return f"the server {verb} yet, its last output: {last}" if last else f"the server {verb} yet"


def elsewhere(address: Address, places: list[Address], *, is_inherited: bool) -> str:
    """The message that a server listens at `places` instead, with advice."""
    where = " and ".join(map(str, places))
    if is_inherited:
        return f"the server listens at {where}, not on the socket that it inherits (--socket)"
    first = places[0]
    # A port alone means localhost.
    is_local = first.is_loopback or first.is_everywhere
    backend = first.port if is_local and first.port != address.port else first
    return (
        f"the server listens at {where}, not at {address}: use {backend} as BACKEND, "
        "or tell the server its port (PORT, or {port} in the command)"
    )


def last_line(output: bytes) -> str:
    """The last line that is not blank, cut to a length that fits a message."""
    lines = [line.strip() for line in ansi.to_text(output).splitlines()]
    found = next((line for line in reversed(lines) if line), "")
    return found if len(found) <= _MAX_LINE else f"{found[:_MAX_LINE]}..."


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether a ClientHello is answered by a TLS record: a handshake message or an alert."""
    try:
        async with asyncio.timeout(_TLS_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_client_hello())
                return await reader.read(1) in _TLS_RECORDS
            finally:
                writer.transport.abort()
    except OSError:
        return False


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass  # expected: the response is read elsewhere
    return outgoing.read()
