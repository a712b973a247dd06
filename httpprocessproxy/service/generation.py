"""One generation: the life of a backend from START until all of its tree is gone.

It is a single task, so there are never two backends, and it ends in one place, whoever ended it.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Collection, Coroutine
from dataclasses import dataclass
from typing import Protocol, TypeVar

from httpprocessproxy.config import Address, Config
from httpprocessproxy.core.change.reloaders import own_reloader
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import (
    Child,
    Holder,
    Launcher,
    SpawnError,
    StopError,
    leftovers,
    listens_in_tree,
    members,
    sweep,
    wait_until_free,
)
from httpprocessproxy.service.diagnosis import SILENCE_PING_S, diagnose, looks, watch_for_silence
from httpprocessproxy.service.gate import Target
from httpprocessproxy.service.readiness import Ping, answers_within, wait_until_ready

T = TypeVar("T")

# How long the port may take to become free once the old tree is gone.
PORT_TIMEOUT_S = 2.0

# When to look who serves the port, for a line in the terminal.
OWNER_CHECK_DELAY_S = 0.1


@dataclass(frozen=True, slots=True)
class GenerationOutcome:
    """How it ended: `returncode` is None if it could not be spawned. `reason` is for the user."""

    returncode: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the backend's process, begun at `began_at` (monotonic seconds)."""

    began_at: float
    is_warm: bool = False


class GenerationHost(Protocol):
    """What a generation needs of the supervisor."""

    def say(self, text: str) -> None:
        """Print a line in the terminal."""

    def found(self, text: str) -> None:
        """Say why the backend does not answer yet, here and where its output is shown."""

    def names_reloader(self, text: str) -> None:
        """Say that the server restarts itself, once."""

    def tail(self) -> bytes:
        """The end of the backend's output."""

    async def quiet(self) -> None:
        """Wait until the burst of changes is over."""

    def started(self, start: Start) -> None:
        """The backend's process runs."""

    def first_request(self, target: Target) -> "asyncio.Future[bool] | None":
        """Let a request that waits try whether the backend answers (`probe.Scouting`)."""

    def ready(self, target: Target) -> None:
        """The backend answers."""

    async def drained(self) -> None:
        """Wait until no unsafe request is with the backend, or for too long."""

    def reclaim_unaccepted(self, ends: Collection[tuple[str, int]]) -> None:
        """What was sent from these addresses has not reached any backend."""

    def silence(self) -> Silence | None:
        """How long requests have waited without any answer."""

    def end_connections(self, generation: int) -> None:
        """End every connection to this generation."""


class Generation:
    """Call `run` once. `stop` may be set at any time, and ends it."""

    def __init__(
        self, number: int, config: Config, launcher: Launcher, surroundings: GenerationHost
    ) -> None:
        self.number = number
        self.stop = asyncio.Event()
        self.child: Child | None = None  # while there is one
        self._config = config
        self._launcher = launcher
        self._surroundings = surroundings
        self._is_warm = False
        self._answered = False

    async def run(self) -> GenerationOutcome:
        """Start the backend, wait for its end, and clear up. Cancellation stops it as well."""
        # A burst that is still going on would only end what it has started.
        await self._unless_stopped(self._surroundings.quiet())
        in_the_way = await self._unless_stopped(self._clear_the_ground())
        if self.stop.is_set():
            outcome = GenerationOutcome(None, "stopped before it was started")
        elif in_the_way:
            outcome = GenerationOutcome(None, in_the_way)
        else:
            outcome = await self._live_even_if_cold()
        if self.stop.is_set():
            await self._surroundings.quiet()
        return outcome

    async def _clear_the_ground(self) -> str:
        """Return what is in the way of a start, once all that can be is removed."""
        try:
            for stray in await sweep():
                self._surroundings.say(f"ended a process of the last start: {stray}")
        except StopError as error:
            return str(error)
        launch_spec = self._launcher.launch_spec
        if launch_spec.inherited is not None:
            launch_spec.inherited.renew()
            return ""  # the port is ours
        holder = await wait_until_free(launch_spec.address, PORT_TIMEOUT_S)
        if holder is None:
            return ""
        in_use = _in_use(launch_spec.address, holder)
        if not launch_spec.move():
            return f"{in_use}; end it, or choose another BACKEND"
        self._surroundings.say(f"{in_use}; BACKEND is {launch_spec.address} now")
        return ""

    async def _live_even_if_cold(self) -> GenerationOutcome:
        """Live, and once more without the fork server if that one's child dies unheard."""
        outcome = await self._live()
        crashed = outcome.returncode is not None and outcome.returncode < 0
        if not (self._is_warm and crashed) or self._answered or self.stop.is_set():
            return outcome
        self._launcher.give_up_warmth(f"a warm server {outcome.reason} before it answered")
        if in_the_way := await self._unless_stopped(self._clear_the_ground()):
            return GenerationOutcome(None, in_the_way)
        return outcome if self.stop.is_set() else await self._live()

    async def _live(self) -> GenerationOutcome:
        began_at = time.monotonic()
        try:
            child = self.child = await self._launcher.start()
        except SpawnError as error:
            return GenerationOutcome(None, str(error))
        self._is_warm = child.is_warm
        self._name_reloader(own_reloader(self._launcher.launch_spec.words))
        self._surroundings.started(Start(began_at, child.is_warm))
        returncode: int | None = None
        try:
            async with asyncio.TaskGroup() as group:
                probe = group.create_task(self._probe(child), name=f"probe {self.number}")
                returncode = await self._unless_stopped(child.wait())
                probe.cancel()
            self._reclaim_unaccepted()
            if returncode is None:
                await self._surroundings.drained()
        finally:
            self._surroundings.end_connections(self.number)
            # It may have ended as it was stopped: then there still is its tree.
            if returncode is None or self.stop.is_set():
                stopped = await self._end(child)
            self._reclaim_unaccepted()
            self.child = None
        if returncode is None:
            return GenerationOutcome(stopped, "stopped")
        return GenerationOutcome(returncode, _how_it_ended(returncode))

    def _reclaim_unaccepted(self) -> None:
        """Let no request wait for a server that will not accept it, nor reach the next twice."""
        inherited = self._launcher.launch_spec.inherited
        if inherited is not None:
            self._surroundings.reclaim_unaccepted(inherited.reclaim_unaccepted())

    async def _end(self, child: Child) -> int:
        try:
            return await child.stop(self._config.kill_signal, self._config.kill_timeout_s)
        except StopError as error:
            # Nothing is started beside it: the next start finds it in the way, and says so again.
            self._surroundings.say(str(error))
            return -signal.SIGKILL

    async def _probe(self, child: Child) -> None:
        backend = self._launcher.launch_spec.address
        ping = Ping(self._config.ping, self._config.ping_path)
        port = backend.port

        def scouting(host: str, connection: socket.socket) -> asyncio.Future[bool] | None:
            return self._surroundings.first_request(Target(self.number, host, port, connection))

        # Whoever names a path or asks for none has said what shows that the server is ready.
        any_answer_will_do = ping == Ping(Config.ping, Config.ping_path)
        inherited = self._launcher.launch_spec.inherited
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look_into(child), name=f"looks {self.number}")
            host = await wait_until_ready(
                backend.hosts,
                port,
                ping,
                scouting if any_answer_will_do else None,
                inherited.has_waiting if inherited is not None else None,
            )
            looking.cancel()
        self._answered = True
        self._surroundings.ready(Target(self.number, host, port))
        # It takes milliseconds to find out, and the requests that wait come first.
        await asyncio.sleep(OWNER_CHECK_DELAY_S)
        self._name_reloader(await asyncio.to_thread(_reloader_in_tree, child.pid))
        is_ours: bool | None = True  # for nobody else can have the port of an inherited socket
        if inherited is None:
            is_ours = await asyncio.to_thread(listens_in_tree, backend, child.pid)
        if is_ours is False:
            # A container's published port, for one: its server is no child of ours.
            self._surroundings.say(f"{backend} is served by a process outside --exec's")
        await watch_for_silence(
            self._surroundings.silence,
            lambda: answers_within(SILENCE_PING_S, host, port, ping),
            self._surroundings.found,
        )

    async def _look_into(self, child: Child) -> None:
        """Say why there is no answer yet, as long as there is none."""
        launch_spec = self._launcher.launch_spec
        async for passed_s in looks():
            tail = self._surroundings.tail
            why = await diagnose(launch_spec.address, child.pid, launch_spec.inherited, tail)
            self._surroundings.found(f"no answer after {passed_s:g} s: {why}")
            self._name_reloader(await asyncio.to_thread(_reloader_in_tree, child.pid))

    def _name_reloader(self, text: str) -> None:
        if text:
            self._surroundings.names_reloader(text)

    async def _unless_stopped(self, work: Coroutine[None, None, T]) -> T | None:
        """Do `work`, but give it up, and return None, when `stop` is set."""
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work, name=f"generation {self.number} works")
            stopping = group.create_task(self.stop.wait(), name=f"generation {self.number} stops")
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            stopping.cancel()
        return None if working.cancelled() else working.result()


def _reloader_in_tree(pid: int) -> str:
    found = (own_reloader(process.words, process.environment) for process in members(pid))
    return next((text for text in found if text), "")


def _in_use(address: Address, holder: Holder) -> str:
    who = f"pid {holder.pid}: {holder.command}" if holder.pid else "another process"
    return f"{address} is in use by {who}"


def _how_it_ended(returncode: int) -> str:
    """Say it for the terminal and the error page."""
    if returncode < 0:
        return f"ended by signal {_signal_name(-returncode)}"
    strays = leftovers()
    if strays:
        names = ", ".join(map(str, strays))
        return (
            f"exited with status {returncode}, but left {names} running: "
            "let --exec's command stay in the foreground"
        )
    return f"exited with status {returncode}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)  # a real-time signal has a number only
