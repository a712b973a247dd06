"""The listening sockets of our own endpoints: private unix sockets, and the LiveReload port."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.sockets import listen_on, on_every_host

Serving = Callable[[socket.socket], AbstractAsyncContextManager[None]]

# sun_path: 108 bytes on Linux, 104 on macOS, with a NUL.
_MAX_PATH_BYTES: Final = 103
_BACKLOG: Final = 1024


def listen_on_unix(path: Path) -> socket.socket:
    """Listen on a unix socket; who may connect is up to the folder. Raises UserError."""
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise UserError(f"too long for a socket: {path}; set TMPDIR to a shorter path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    listener.listen(_BACKLOG)
    return listener


async def serve_when_wanted(listener: socket.socket, load: Callable[[], Serving]) -> None:
    """Serve from the first connection on, which waits in the backlog until then.

    `load` imports what serves; raises what that raises.
    """
    await _connected(listener)
    # In a thread, so that the import does not hold up other requests.
    serving = await asyncio.to_thread(load)
    async with serving(listener):
        await asyncio.get_running_loop().create_future()


async def _connected(listener: socket.socket) -> None:
    """Wait for the first connection, without accepting it."""
    loop = asyncio.get_running_loop()
    has_come = asyncio.Event()
    loop.add_reader(listener, has_come.set)
    try:
        await has_come.wait()
    finally:
        loop.remove_reader(listener)


def listen_for_livereload(bind: Address, port: int) -> list[socket.socket]:
    """Listen on loopback, or everywhere if the proxy itself does. Raises OSError."""
    # Not bind's own hosts: browser extensions know 127.0.0.1 alone.
    host = "" if bind.is_everywhere else "localhost"
    return on_every_host(Address(host, port), listen_on)
