"""The startup of a generation: its readiness by kind, a diagnosis meanwhile, and checks after it.

A service with a port is ready once it answers there, unless its configuration names another sign.
A service without a port is ready by a sign, or at once.
"""

import asyncio
import socket
from typing import Protocol

from httpprocessproxy.config import Readiness, ServiceConfig
from httpprocessproxy.core.change.reloaders import own_reloader
from httpprocessproxy.core.identity import GenerationId
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import Child, Launcher, ProcessTree, accepting, listens_in_tree
from httpprocessproxy.service.diagnosis import (
    SILENCE_PING_S,
    diagnose,
    looks,
    watch_for_silence,
)
from httpprocessproxy.service.readiness import Probe, wait_until_ready
from httpprocessproxy.service.reports import Reports
from httpprocessproxy.service.signs import Sign
from httpprocessproxy.service.waiter import Target


class StartupHost(Protocol):
    """The interface of the service to the startup of its generations."""

    @property
    def reports(self) -> Reports: ...

    @property
    def sign(self) -> Sign:
        """The sign that the process is ready, unless that is an answer at its port."""

    def first_request(self, target: Target) -> "asyncio.Future[bool] | None":
        """Send a held request to the backend before it is known to be ready.

        The future's result is whether it was answered; None without such a request.
        """

    def silence(self) -> Silence | None:
        """The time that requests have waited without any response; None if none waits."""


class Startup:
    """The startup of one process."""

    def __init__(
        self, id_: GenerationId, config: ServiceConfig, launcher: Launcher, host: StartupHost
    ) -> None:
        self._id = id_
        self._config = config
        self._launch_spec = launcher.launch_spec
        self._launcher = launcher
        self._host = host
        self._reports = host.reports
        self._probe: Probe | None = None  # that succeeded
        self._report_reloader(own_reloader(launcher.launch_spec.words))

    async def ready(self, child: Child) -> Target | None:
        """Wait until the process is ready, without a time limit; return its target, if any."""
        async with asyncio.TaskGroup() as group:
            diagnosing = group.create_task(self._diagnose(child), name=f"diagnosis {self._id}")
            if self._awaits_answer:
                self._probe = await self._answer()
            else:
                await self._host.sign.shown()
                self._probe = await self._open_port()
            diagnosing.cancel()
        probe = self._probe
        return Target(self._id, probe.host, probe.port) if probe is not None else None

    @property
    def _awaits_answer(self) -> bool:
        return self._config.has_port and self._config.readiness.kind in ("http", "tcp")

    async def check(self, child: Child) -> None:
        """Look at the processes of a server that is ready, for mistakes that the user can mend."""
        tree = self._launcher.tree
        self._report_reloader(await asyncio.to_thread(_reloader_in_tree, tree, child.pid))
        if not self._config.has_port or self._launch_spec.inherited is not None:
            return  # no other process can listen on an inherited socket
        address = self._launch_spec.address
        if await asyncio.to_thread(listens_in_tree, address, tree, child.pid) is False:
            # For example a container's published port: its server is not in the process tree.
            self._reports.say(f"{address} is served by a process outside --exec's")

    async def watch(self) -> None:
        """Report each silence of the server, until cancelled; return if it has no port."""
        if (probe := self._probe) is not None:
            await watch_for_silence(
                self._host.silence,
                lambda: probe.still_answers(SILENCE_PING_S),
                self._reports.report,
            )

    async def _answer(self) -> Probe:
        """Wait until the server answers at its address; return the probe that succeeded."""
        backend, ping = self._launch_spec.address, self._config.readiness

        def send_first_request(host: str, connection: socket.socket) -> asyncio.Future[bool] | None:
            return self._host.first_request(Target(self._id, host, backend.port, connection))

        # An explicit --ping or --ping-path defines readiness; otherwise any response will do.
        any_response_will_do = ping == Readiness()
        inherited = self._launch_spec.inherited
        return await wait_until_ready(
            [Probe(host, backend.port, ping) for host in backend.hosts],
            send_first_request if any_response_will_do else None,
            inherited.has_waiting if inherited is not None else None,
        )

    async def _open_port(self) -> Probe | None:
        """A probe of the port after another sign; None without a port."""
        if not self._config.has_port:
            return None
        address = self._launch_spec.address
        host = next(iter(await accepting(address)), address.hosts[0])
        return Probe(host, address.port, Readiness("tcp"))

    async def _diagnose(self, child: Child) -> None:
        """Report from time to time why the backend does not answer yet."""
        launch_spec, tree = self._launch_spec, self._launcher.tree
        async for passed_s in looks():
            if not self._awaits_answer:
                self._reports.report(f"not ready after {passed_s:g} s: {self._host.sign.missing()}")
                continue
            tail, inherited = self._reports.tail, launch_spec.inherited
            why = await diagnose(launch_spec.address, tree, child.pid, inherited, tail)
            self._reports.report(f"no answer after {passed_s:g} s: {why}")
            self._report_reloader(await asyncio.to_thread(_reloader_in_tree, tree, child.pid))

    def _report_reloader(self, text: str) -> None:
        # A server that only its own reloader restarts is as it should be.
        if text and self._config.watch.restarts:
            self._reports.report_reloader(text)


def _reloader_in_tree(tree: ProcessTree, pid: int) -> str:
    found = (own_reloader(one.words, one.environment) for one in tree.members(pid))
    return next((text for text in found if text), "")
