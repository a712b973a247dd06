"""The site on its unix socket, and its clients: browser tabs, their scripts, programs."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp

from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.guard import TOKEN_FIELD
from httpprocessproxy.admin.site import serving
from httpprocessproxy.core.build import Build
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.events import BuildChanged, EventBus, ServiceStatus
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from httpprocessproxy.system.listeners import listen_on_unix
from test.admin.sockets import OWN, PLACES, WEB
from test.messages import state as changed_to
from test.messages import status

SCRIPT = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
TAB = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class FakeProgram:
    """The program behind the site; the test sets its state."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self.log = RequestLog(self.bus)
        self.replays = Replayer(self.log, self._send)
        self.state, self.generation = "running", 3
        self.build: Build | None = None
        self.restarted_by: list[str] = []
        self.fences = 0
        self.config = WEB
        self.ends = 0
        self.context = AdminContext({"web": self}, self.bus, PLACES, self.end)

    def end(self) -> None:
        self.ends += 1

    async def fence(self) -> None:
        self.fences += 1

    def tail(self) -> str:
        return "one\ntwo\n"

    def restart(self, requested_by: str) -> None:
        self.restarted_by.append(requested_by)

    def stop(self, requested_by: str) -> None:
        self.enter("stopped")

    def start(self, requested_by: str) -> None:
        self.enter("running", self.generation + 1)

    def status(self) -> ServiceStatus:
        return replace(status(self.state, self.generation), build=self.build)

    def end_build(self, build: Build) -> None:
        self.build = build
        self.bus.publish(BuildChanged(service="web", build=build, generation=self.generation))

    def enter(self, state: str, generation: int = 0) -> None:
        self.state = state
        self.generation = generation or self.generation
        self.bus.publish(changed_to(self.state, generation=self.generation))

    def _send(self, record: RequestRecord) -> RequestRecord:
        again = RequestRecord(record.request, None, record.id)
        self.log.begin(again)
        return again


@contextlib.asynccontextmanager
async def open_site(
    folder: Path, *, is_dashboard: bool = True
) -> AsyncIterator[tuple[FakeProgram, aiohttp.ClientSession]]:
    """Serve the site; yield a client of the dashboard's origin, or else of the site's. It is not a
    browser unless the test sends a browser's header fields."""
    path = folder / "site"
    program = FakeProgram()
    hosts = HostRule((), "localhost")
    async with serving(
        listen_on_unix(path), hosts, program.context, program.replays, is_dashboard=is_dashboard
    ):
        connector = aiohttp.UnixConnector(str(path))
        headers = {"Accept": "application/json"}
        async with aiohttp.ClientSession(OWN, connector=connector, headers=headers) as client:
            yield program, client


async def token(client: aiohttp.ClientSession) -> dict[str, str]:
    """The header field with the token that a tab's page sends."""
    async with client.get("/_hpp/", headers=TAB) as response:
        page = await response.text()
    return {TOKEN_FIELD: page.partition('name="hpp-token" content="')[2].partition('"')[0]}
