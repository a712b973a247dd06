"""The parts of one service that its supervisor and its generations share."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from httpprocessproxy.config import ServiceConfig
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.page.pages import Problem
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.core.state import Machine, State
from httpprocessproxy.events import PreloadStatus, StartReport
from httpprocessproxy.process import Launcher
from httpprocessproxy.service.gate import Gate
from httpprocessproxy.service.history import History
from httpprocessproxy.service.inbox import Inbox
from httpprocessproxy.service.member import Member
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.signs import Sign


class DataPlane(Protocol):
    """The connections to the server, which depend on its generation."""

    @property
    def silence(self) -> Silence | None:
        """The time that requests have waited without any response; None if none waits."""

    @property
    def is_used(self) -> bool:
        """Whether a request is in progress, or a connection is open that serves one client."""

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """Queue again the requests sent from these addresses: no server has accepted them."""

    def give_up(self, problem: Problem) -> None:
        """Answer requests that were sent and have no response with `problem`."""

    def supersede(self, generation: GenerationId) -> None:
        """Say in responses of this generation that newer files exist."""

    def end_generation(self, generation: GenerationId) -> None:
        """Close every connection to this generation."""


class Changes(Protocol):
    """Decides which file changes restart the server."""

    def entered(self, state: State) -> None:
        """Record the machine's new state."""

    @property
    def is_pending(self) -> bool:
        """Whether a change in this start is pending until `answers` judges it."""

    def answers(self) -> frozenset[str]:
        """Judge pending changes before the server answers: return those that end the start."""


class StartBuilds(Protocol):
    """The builds that changes and starts wait for."""

    def entered(self, state: State) -> None:
        """Record the machine's new state."""

    def changed(self, paths: frozenset[str]) -> None:
        """Restart the server for changed files, after a build."""

    @property
    def has_to_wait(self) -> bool:
        """Whether `before_start` waits."""

    async def before_start(self) -> str:
        """Wait for the build that runs; return the obstacle to the start, if any."""


class Preload(Protocol):
    """Makes starts warm; `cold_ms` is the duration of a cold start, if known."""

    @property
    def cold_ms(self) -> float | None: ...

    def status(self) -> PreloadStatus: ...

    def entered(self, state: State, start: StartReport | None) -> None:
        """Learn from a transition; `start` is the report of the last start."""

    async def run(self) -> None:
        """Keep a fork server until cancelled."""


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """See the module; `preload` is None without --preload, and `builds` without --before."""

    config: ServiceConfig
    launcher: Launcher
    preload: Preload | None
    machine: Machine
    inbox: Inbox
    gate: Gate
    history: History
    member: Member
    changes: Changes
    reports: Reports
    sign: Sign
    builds: StartBuilds | None = None

    @property
    def has_to_wait(self) -> bool:
        """Whether a start has to wait, for other services or for a build."""
        is_held_back = self.builds is not None and self.builds.has_to_wait
        return is_held_back or self.member.has_to_wait
