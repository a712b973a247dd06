"""The admin endpoints, opened for a test, and their clients."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass

import uvloop
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.endpoints import Admin
from httpprocessproxy.config import Address, BrowserConfig, Config, ListenConfig, ServiceConfig
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.page.livereload import CONNECTION_CHECK, OFFICIAL_7
from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.core.routes import Route
from httpprocessproxy.events import EventBus, ServiceStatus
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog
from test.deadline import PATIENCE_S
from test.messages import state
from test.messages import status as of_server

BIND = Address("localhost", 8001)
OWN = "http://localhost:8001"
TAIL = "\x1b[31mthe end\x1b[m of the output\n"
PLACES = DashboardPlaces("http", "localhost", 8001, 8002, has_host=True)
TOKEN = "of the page about ourselves"
LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)

Loop = Callable[[], asyncio.AbstractEventLoop]


def run(main: Coroutine[None, None, None], loop: Loop = asyncio.new_event_loop) -> None:
    """Run a test on a new loop, with a timeout."""

    async def in_time() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await main

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(in_time())


def service(name: str, *routes: str) -> ServiceConfig:
    parsed = tuple(map(Route.parse, routes))
    return ServiceConfig(Address("localhost", 8000), ("true",), name=name, routes=parsed)


WEB = service("web", "/**")


def configure(
    livereload_port: int = 0, bind: Address = BIND, services: Sequence[ServiceConfig] = (WEB,)
) -> Config:
    return Config(
        ListenConfig(bind),
        tuple(services),
        browser=BrowserConfig(livereload_port=livereload_port),
    )


def context(
    status: ServiceStatus,
    bus: EventBus,
    restart: Callable[[str], None] = lambda by: None,
    services: Sequence[ServiceConfig] = (WEB,),
) -> AdminContext:
    fakes = {config.name: FakeService(status, restart, config) for config in services}
    return AdminContext(fakes, bus, PLACES, lambda: None, TOKEN)


def reload_browsers(bus: EventBus) -> None:
    """Publish a transition that reloads browsers."""
    bus.publish(state("running", "loading", reloads=True))


@dataclass(frozen=True, slots=True)
class FakeService:
    """A service in a state, without a watcher."""

    present: ServiceStatus
    restart: Callable[[str], None]
    config: ServiceConfig

    def status(self) -> ServiceStatus:
        return self.present

    def stop(self, requested_by: str) -> None:
        raise AssertionError("no test stops it")

    def start(self, requested_by: str) -> None:
        raise AssertionError("no test starts it")

    def tail(self) -> str:
        return TAIL if self.config.name == "web" else f"{self.config.name}: {TAIL}"

    async def fence(self) -> None:
        """Return at once."""


@contextlib.asynccontextmanager
async def opened(
    livereload_port: int = 0,
    bind: Address = BIND,
    allowed: Sequence[str] = (),
    status: ServiceStatus | None = None,
    warnings: list[str] | None = None,
    bus: EventBus | None = None,
    services: Sequence[ServiceConfig] = (WEB,),
) -> AsyncIterator[Admin]:
    """Open an `Admin`; a warning fails the test unless it passes `warnings`."""
    unexpected: list[str] = []
    bus = bus or EventBus()
    replays = Replayer(RequestLog(bus), lambda record: record)
    admin = Admin(
        configure(livereload_port, bind, services),
        HostRule(allowed, bind.host),
        context(status or of_server("loading", 1), bus, services=services),
        (unexpected if warnings is None else warnings).append,
    )
    async with admin.serving(replays):
        yield admin
    assert not unexpected


def own(
    admin: Admin, origin: str | None = OWN, headers: Mapping[str, str] | None = None
) -> connect:
    """A LiveReload client at the proxy's own port."""
    return unix_connect(
        admin.socket_for(b"/_hpp/livereload", True),
        "ws://localhost:8001/_hpp/livereload",
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        proxy=None,
    )


def public(
    port: int,
    origin: str | None = OWN,
    host: str = "127.0.0.1",
    path: str = "/livereload",
    headers: Mapping[str, str] | None = None,
) -> connect:
    """A LiveReload client at the LiveReload port."""
    return connect(
        f"ws://{host}:{port}{path}",
        origin=None if origin is None else Origin(origin),
        additional_headers=headers,
        proxy=None,
    )


async def refusal(knock: connect) -> int:
    """The status that refuses a client."""
    try:
        async with knock:
            raise AssertionError("let in")
    except InvalidStatus as error:
        return error.response.status_code


async def receive(client: ClientConnection) -> dict[str, object]:
    message = json.loads(await client.recv())
    assert isinstance(message, dict)
    return message


async def greet(client: ClientConnection, *protocols: str) -> None:
    """Send the hello of livereload.js."""
    hello = {"command": "hello", "protocols": protocols or (OFFICIAL_7,), "ver": "4.0.2"}
    await client.send(json.dumps(hello))
    assert (await receive(client))["command"] == "hello"
    await settled(client)


async def check_connection(client: ClientConnection) -> None:
    """Send the hello of a browser extension that probes the port."""
    await greet(client, CONNECTION_CHECK)


async def settled(client: ClientConnection) -> None:
    """Wait until the server has read all messages of the client: it answers a ping after them."""
    pong = await client.ping()
    await pong
