"""A fake backend without a process: it listens when spawned, and ends when the test ends it."""

import asyncio
import os
import signal
import socket

from httpprocessproxy.config import Address, Readiness, RestartConfig, ServiceConfig, WatchConfig
from httpprocessproxy.process import Child, Launcher, LaunchSpec, Output, ProcessTrees, SpawnError
from test.ports import free_port

# Above any pid of Linux (PID_MAX_LIMIT is 1 << 22).
NO_SUCH_PID = 1 << 23


def configured(
    restart: RestartConfig | None = None, settle_s: float = WatchConfig.settle_s
) -> ServiceConfig:
    """A service with a TCP readiness check."""
    return ServiceConfig(
        Address("127.0.0.1", free_port()),
        ("serve", "--it"),
        watch=WatchConfig(settle_s=settle_s),
        readiness=Readiness("tcp"),
        restart=restart or RestartConfig(),
    )


class FakeOutput(Output):
    """Output with a tail that the test sets: `printed`."""

    def __init__(self) -> None:
        self.printed = b""

    @property
    def tail(self) -> bytes:
        return self.printed

    def text(self) -> str:
        return self.printed.decode()

    def remember(self, text: str) -> None:
        self.printed += text.encode()


class FakeChild(Child):
    """A child that `exit`, `stop` or `kill` end; `stops` lists the arguments of `stop` calls."""

    def __init__(self, pid: int, listening: socket.socket | None) -> None:
        self.pid = pid
        self.listening = listening
        self.ended = asyncio.Event()
        self.code = 0
        self.stops: list[tuple[signal.Signals, float]] = []
        self.was_killed = False
        self.lingers = False  # after `stop`, until it is killed or exits

    def exit(self, code: int) -> None:
        if not self.ended.is_set():
            self.code = code
            if self.listening is not None:
                self.listening.close()
            self.ended.set()

    async def wait(self) -> int:
        await self.ended.wait()
        return self.code

    async def stop(
        self, kill_signal: signal.Signals = signal.SIGKILL, kill_timeout_s: float = 5.0
    ) -> int:
        self.stops.append((kill_signal, kill_timeout_s))
        try:
            if self.lingers:
                await self.ended.wait()
        finally:
            self.exit(-kill_signal)
        return await self.wait()

    def kill(self) -> None:
        self.was_killed = True
        self.exit(-signal.SIGKILL)


class FakeLauncher(Launcher):
    """Spawns a `FakeChild` each time. Without `listens` it never listens; `error` fails a spawn.

    A `bug` fails it by an unexpected exception.

    With `is_warm` starts are warm until given up; `given_up` lists the reasons.
    """

    output: FakeOutput

    def __init__(self, address: Address, pid: int | None = None) -> None:
        self.listens = True
        self.error = ""
        self.bug = ""
        self.is_warm = False
        self.given_up: list[str] = []
        self.children: list[FakeChild] = []
        self.launch_spec = LaunchSpec(("serve", "--it"), address)
        self.tree = ProcessTrees().add("web")
        self.output = FakeOutput()
        self.builder: FakeLauncher | None = None  # of --before
        self._pid = os.getpid() if pid is None else pid

    def beside(self, name: str, command: tuple[str, ...]) -> "FakeLauncher":
        self.builder = FakeLauncher(self.launch_spec.address)
        self.builder.listens = False
        self.builder.launch_spec = self.launch_spec.for_command(command)
        return self.builder

    async def start(self) -> FakeChild:
        child = self.spawn()
        child.is_warm = self.is_warm
        return child

    def give_up_warm_starts(self, why: str) -> None:
        self.is_warm = False
        self.given_up.append(why)

    def spawn(self) -> FakeChild:
        assert not self.children or self.children[-1].ended.is_set(), "never two backends"
        if self.error:
            raise SpawnError(self.error)
        if self.bug:
            raise RuntimeError(self.bug)
        listening = None
        if self.listens:
            address = self.launch_spec.address
            listening = socket.create_server((address.host, address.port))
        self.children.append(FakeChild(self._pid, listening))
        return self.children[-1]
