"""Listening sockets of the admin endpoints: private unix sockets, and the LiveReload port."""

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

# The size of sun_path is 108 bytes on Linux and 104 on macOS, including a NUL.
_MAX_PATH_BYTES: Final = 103
_BACKLOG: Final = 1024


def listen_on_unix(path: Path) -> socket.socket:
    """Listen on a unix socket, which only its folder's permissions protect. Raises UserError."""
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise UserError(f"too long for a socket: {path}; set TMPDIR to a shorter path")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(os.fspath(path))
    listener.listen(_BACKLOG)
    return listener


async def serve_when_wanted(listener: socket.socket, load: Callable[[], Serving]) -> None:
    """Import the server at the first connection, which waits in the backlog, and then serve.

    `load` imports the server and returns it; its exceptions propagate.
    """
    await _connected(listener)
    # The import runs in a thread, so that it does not delay other requests.
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
    """Listen on loopback, or on all addresses if the proxy itself does. Raises OSError."""
    # The hosts of `bind` do not matter: browser extensions connect to 127.0.0.1 only.
    host = "" if bind.is_everywhere else "localhost"
    return on_every_host(Address(host, port), listen_on)
