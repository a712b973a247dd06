"""A WebSocket server that echoes: python websocket_echo.py PORT.

Like most WebSocket servers, it closes the connection of an HTTP HEAD without a response.
"""

import asyncio
import sys
from collections.abc import Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


def select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((name for name in offered if name == "echo"), None)


async def echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            if message == "close 4001":
                await connection.close(4001, "as asked")
            await connection.send(message)
    except ConnectionClosed:
        pass


async def main() -> None:
    port = int(sys.argv[1])
    async with serve(echo, "127.0.0.1", port, select_subprotocol=select, max_size=None) as server:
        await server.serve_forever()


asyncio.run(main())
