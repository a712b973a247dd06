"""The WebSocket on which whoever has a ticket waits for his turn."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import WSCloseCode, web
from sqlalchemy.exc import SQLAlchemyError

from httpprocessproxy.companions.archive.service.answers import not_found
from httpprocessproxy.companions.archive.service.context import ServiceContext
from httpprocessproxy.companions.archive.service.queue import QueuePlace
from httpprocessproxy.companions.archive.store.tickets import Ticket

# Shorter than what usually stands in front keeps a silent connection open: 60 s.
_HEARTBEAT_S: Final = 25.0
# Nothing is said to us.
_MAX_FRAME_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """The handler of `/ticket/ID/wait`."""

    around: ServiceContext

    async def wait(self, request: web.Request) -> web.StreamResponse:
        """Tell positions until it is the ticket's turn, or the time is over."""
        id_ = request.match_info["id"]
        ticket = await self.around.tickets.find(id_)
        if ticket is None:
            not_found()
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MAX_FRAME_BYTES)
        await socket.prepare(request)
        with self.around.queue.waiting(id_) as place:
            if place is None:
                await socket.send_json({"error": "Already waiting"})
                await socket.close()
            elif await self._turn_comes(socket, place, ticket):
                await socket.close(message=b"available")
            else:
                await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"timeout")
        return socket

    async def _turn_comes(
        self, socket: web.WebSocketResponse, place: QueuePlace, ticket: Ticket
    ) -> bool:
        """Whether it is the ticket's turn at last; if not, nobody waits for that any more."""
        try:
            async with asyncio.timeout(self.around.rules.wait_s), asyncio.TaskGroup() as tasks:
                listening = tasks.create_task(_listen(socket, place), name="listens")
                try:
                    return await self._tell(socket, place, ticket)
                finally:
                    listening.cancel()
        except TimeoutError:
            return False

    async def _tell(self, socket: web.WebSocketResponse, place: QueuePlace, ticket: Ticket) -> bool:
        queue = self.around.queue
        while not place.has_left:
            change, position = queue.next_change, place.position
            is_available = ticket.is_available or position < 0
            if is_available and not ticket.is_available:
                queue.promise(ticket.id)
                try:
                    await self.around.tickets.make_available(ticket.id)
                except SQLAlchemyError:
                    return False  # it has not been made so, and can be waited with again
            await socket.send_json({"position": position, "available": is_available})
            if is_available:
                return True
            await queue.wait_for(change)
        return False


async def _listen(socket: web.WebSocketResponse, place: QueuePlace) -> None:
    """Notice when the other side goes. What it says means nothing."""
    async for _ in socket:
        continue
    place.leave()
