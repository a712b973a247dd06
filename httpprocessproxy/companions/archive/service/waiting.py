"""The WebSocket on which a client waits for its ticket's turn in the queue."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import WSCloseCode, web
from sqlalchemy.exc import SQLAlchemyError

from httpprocessproxy.companions.archive.service.answers import not_found
from httpprocessproxy.companions.archive.service.context import ArchiveContext
from httpprocessproxy.companions.archive.service.queue import QueuePlace
from httpprocessproxy.companions.archive.store.tickets import Ticket

# Shorter than the usual idle timeout of reverse proxies, 60 s.
_HEARTBEAT_S: Final = 25.0
# Clients send no messages.
_MAX_FRAME_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """The handler of `/ticket/ID/wait`."""

    context: ArchiveContext

    async def wait(self, request: web.Request) -> web.StreamResponse:
        """Send positions until it is the ticket's turn, or the time for waiting is over."""
        id_ = request.match_info["id"]
        ticket = await self.context.tickets.find(id_)
        if ticket is None:
            not_found()
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_FRAME_BYTES)
        await socket.prepare(request)
        with self.context.queue.waiting(id_) as place:
            if place is None:
                await socket.send_json({"error": "Already waiting"})
                await socket.close()
            elif await self._wait_for_turn(socket, place, ticket):
                await socket.close(message=b"available")
            else:
                await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"timeout")
        return socket

    async def _wait_for_turn(
        self, socket: web.WebSocketResponse, place: QueuePlace, ticket: Ticket
    ) -> bool:
        """Whether the ticket's turn came; False after a timeout, an error or a disconnect."""
        try:
            async with asyncio.timeout(self.context.rules.wait_s), asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(_listen(socket, place), name="listens")
                try:
                    return await self._send_positions(socket, place, ticket)
                finally:
                    listening.cancel()
        except TimeoutError:
            return False

    async def _send_positions(
        self, socket: web.WebSocketResponse, place: QueuePlace, ticket: Ticket
    ) -> bool:
        queue = self.context.queue
        while not place.has_left:
            change, position = queue.next_change, place.position
            is_available = ticket.is_available or position < 0
            if is_available and not ticket.is_available:
                queue.promise(ticket.id)
                try:
                    await self.context.tickets.make_available(ticket.id)
                except SQLAlchemyError:
                    return False  # the ticket is unchanged, so the client can wait again
            await socket.send_json({"position": position, "available": is_available})
            if is_available:
                return True
            await queue.wait_for(change)
        return False


async def _listen(socket: web.WebSocketResponse, place: QueuePlace) -> None:
    """Read until the client disconnects, and ignore its messages."""
    async for _ in socket:
        continue
    place.leave()
