"""The site of a worker as a program of its own: a task forwards each visit by `LocalClient`."""

import asyncio
from collections.abc import Callable

from httpprocessproxy.companions.share.protocol import VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Pipe
from httpprocessproxy.companions.share.worker.error_pages import send_page
from httpprocessproxy.companions.share.worker.interfaces import Visitor
from httpprocessproxy.companions.share.worker.local import LocalClient, LocalError
from httpprocessproxy.config import Address
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.frontends.streams import Fields, RequestSink
from httpprocessproxy.system.faults import contained


class LocalSite:
    """The `Site` at an address of this machine."""

    def __init__(self, address: Address, tasks: asyncio.TaskGroup) -> None:
        self._client = LocalClient(address)
        self._tasks = tasks

    def open_visit(
        self, visit: VisitHead, visitor: Visitor, *, is_tunnel: bool = False
    ) -> RequestSink:
        body, flow = Pipe(), asyncio.Event()
        body.on_received = visitor.consumed
        flow.set()
        work = self._forward(visit, visitor, body, flow, is_tunnel=is_tunnel)
        task = self._tasks.create_task(work, name="visit")
        return _VisitBody(body, flow, task.cancel)

    def close(self) -> None:
        self._client.close()

    async def _forward(
        self,
        visit: VisitHead,
        visitor: Visitor,
        body: Pipe,
        flow: asyncio.Event,
        *,
        is_tunnel: bool,
    ) -> None:
        """Send the visit, and pass on its answer while `flow` is set."""
        with contained("a visit of the share"):
            try:
                exchange = self._client.exchange(self._tasks, visit, body, is_tunnel=is_tunnel)
                async with exchange as answer:
                    visitor.begin_answer(answer.head)
                    while piece := await answer.body.receive():
                        visitor.write(piece)
                        await flow.wait()
                    visitor.end_answer()
            except LocalError as error:
                send_page(visitor, visit, Problem(502, "The server does not answer", f"{error}."))
            except CutError as error:
                visitor.cut(str(error))
            return
        visitor.cut("the worker failed")


class _VisitBody:
    """The `RequestSink` of a visit: the body waits in a pipe, within the visitor's window."""

    __slots__ = ("_body", "_cancel", "_flow")

    def __init__(self, body: Pipe, flow: asyncio.Event, cancel: Callable[[], object]) -> None:
        self._body = body
        self._flow = flow
        self._cancel = cancel

    def body(self, data: bytes) -> None:
        self._body.put(data)

    def end(self, trailers: Fields = ()) -> None:
        self._body.end()

    def reset(self) -> None:
        self._cancel()

    def pause(self) -> None:
        self._flow.clear()

    def resume(self) -> None:
        self._flow.set()
