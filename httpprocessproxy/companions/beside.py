"""Companions that send requests to the site: they run beside the proxy, each contained."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from httpprocessproxy.config import Config
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.events import EventBus, Notice
from httpprocessproxy.proxy import ProxyServer
from httpprocessproxy.system.faults import contained

if TYPE_CHECKING:
    from httpprocessproxy.companions.archive.companion import Archive
    from httpprocessproxy.companions.share.worker.companion import Share


@dataclass(frozen=True, slots=True)
class CompanionContext:
    """The parts of the program that companions use; `show` prints a QR code."""

    config: Config
    hosts: HostRule
    token: str
    bus: EventBus
    show: Callable[[str], None]


class Companions:
    """The share and the archive of a run of the proxy, each None without its option."""

    def __init__(self, share: "Share | None", archive: "Archive | None") -> None:
        self._share = share
        self._archive = archive

    def socket_for(self, target: bytes) -> str | None:
        """The Unix socket of a companion that serves a request target, if any."""
        return self._archive.socket_for(target) if self._archive is not None else None

    async def run(self, proxy_server: ProxyServer, context: CompanionContext) -> None:
        """Run until cancelled. The end of a companion ends no other part of the program."""
        share, archive = self._share, self._archive
        if share is None and archive is None:
            return

        def say(text: str) -> None:
            context.bus.publish(Notice(text=text))

        async def run_one(name: str, work: Callable[[], Awaitable[None]]) -> None:
            with contained(f"--{name}"):
                await work()
                return
            say(f"--{name} has ended by an error in http-process-proxy; the server goes on")

        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            if share is not None:
                sharing = partial(share.run, proxy_server.exchanges, context.bus, context.show)
                group.create_task(run_one("share", sharing), name="share")
            if archive is not None:
                visits = await stack.enter_async_context(proxy_server.serve_visits())
                parts = (context.config, context.hosts, context.token, visits, say)
                group.create_task(run_one("archive", partial(archive.run, *parts)), name="archive")
