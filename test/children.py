"""A backend without a process: it listens when it is spawned, and ends when the test says so."""

import asyncio
import os
import signal
import socket

from httpprocessproxy.config import Address, Config
from httpprocessproxy.process import Child, Launcher, LaunchSpec, Output, SpawnError
from test.ports import free_port

# Above any pid that Linux gives.
NOBODY = 1 << 23


def configured(**options: float) -> Config:
    """A configuration whose ping costs nothing; `options` are times."""
    bind = Address("127.0.0.1", 1)
    return Config(bind, Address("127.0.0.1", free_port()), ("serve", "--it"), ping="tcp", **options)  # type: ignore[arg-type]


class FakeOutput(Output):
    """What the backend is said to have printed."""

    def __init__(self) -> None:
        self.printed = b""

    @property
    def tail(self) -> bytes:
        return self.printed

    def remember(self, text: str) -> None:
        self.printed += text.encode()


class FakeChild(Child):
    """`exit` ends it, as do `stop` and `kill`; `stops` has what `stop` was called with."""

    def __init__(self, pid: int, listening: socket.socket | None) -> None:
        self.pid = pid
        self.listening = listening
        self.ended = asyncio.Event()
        self.code = 0
        self.stops: list[tuple[signal.Signals, float]] = []
        self.was_killed = False

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
        self.exit(-kill_signal)
        return await self.wait()

    def kill(self) -> None:
        self.was_killed = True
        self.exit(-signal.SIGKILL)


class FakeLauncher(Launcher):
    """Spawns `FakeChild`ren. With `listens` off they never answer; `error` makes spawning fail.

    With `is_warm` they are warm, until that is given up, for the reasons in `given_up`.
    """

    def __init__(self, address: Address, pid: int | None = None) -> None:
        self.listens = True
        self.error = ""
        self.is_warm = False
        self.given_up: list[str] = []
        self.children: list[FakeChild] = []
        self.launch_spec = LaunchSpec(("serve", "--it"), address)
        self._pid = os.getpid() if pid is None else pid

    async def start(self) -> FakeChild:
        child = self.spawn()
        child.is_warm = self.is_warm
        return child

    def give_up_warmth(self, why: str) -> None:
        self.is_warm = False
        self.given_up.append(why)

    def spawn(self) -> FakeChild:
        assert not self.children or self.children[-1].ended.is_set(), "never two backends"
        if self.error:
            raise SpawnError(self.error)
        listening = None
        if self.listens:
            address = self.launch_spec.address
            listening = socket.create_server((address.host, address.port))
        self.children.append(FakeChild(self._pid, listening))
        return self.children[-1]
