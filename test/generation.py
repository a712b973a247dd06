"""One generation with fakes: its host, and its launcher without processes."""

import asyncio
from collections.abc import Collection

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.service.generation import Generation, GenerationLimits, Start
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.signs import ProcessStarted, Sign
from httpprocessproxy.service.waiter import Target
from test.children import FakeLauncher, FakeOutput, configured
from test.loops import eventually

# A port that stays in use does not delay a test.
IMPATIENT = GenerationLimits(port_s=0.02)


class FakeGenerationHost:
    """Records a generation's calls in `log`; a cleared event makes the generation wait."""

    def __init__(self) -> None:
        self.log: list[object] = []
        self.said: list[str] = []
        self.reports = Reports(FakeOutput(), self.said.append)
        self.is_quiet, self.is_built, self.is_drained = (asyncio.Event() for _ in range(3))
        for event in (self.is_quiet, self.is_built, self.is_drained):
            event.set()
        self.obstacle = ""
        self.error: Exception | None = None
        self.sign: Sign = ProcessStarted()
        self.first_requests: list[Target] = []
        self.starts: list[Start] = []

    async def may_start(self) -> None:
        await self.quiet()

    async def quiet(self) -> None:
        self.log.append("quiet")
        await self.is_quiet.wait()

    async def before_start(self) -> str:
        await self.is_built.wait()
        return self.obstacle

    def first_request(self, target: Target) -> asyncio.Future[bool] | None:
        self.first_requests.append(target)
        return None

    def ready(self, generation: GenerationId, target: Target | None) -> None:
        assert target is None or target.generation == generation
        self.log.append(target)
        if self.error is not None:
            raise self.error

    def started(self, start: Start) -> None:
        self.starts.append(start)

    async def drained(self) -> None:
        self.log.append("drained")
        await self.is_drained.wait()

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        self.log.append(ends)

    def silence(self) -> Silence | None:
        return None

    def end_connections(self, generation: GenerationId) -> None:
        self.log.append(f"end connections of {generation.number}")


class Life:
    """Generation 7, which runs in a task of the test's group."""

    def __init__(
        self,
        config: ServiceConfig | None = None,
        pid: int | None = None,
        limits: GenerationLimits | None = None,
    ) -> None:
        self.config = config or configured()
        self.launcher = FakeLauncher(self.config.address, pid)
        self.host = FakeGenerationHost()
        id_, limits = GenerationId("web", 7), limits or GenerationLimits()
        self.generation = Generation(id_, self.config, self.launcher, self.host, limits)

    @property
    def target(self) -> Target:
        return Target(GenerationId("web", 7), self.config.address.host, self.config.address.port)

    async def happened(self, event: object) -> None:
        await eventually(lambda: event in self.host.log)
