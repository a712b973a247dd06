"""Wiring, and nothing else: who is made of what, in which order it starts and ends, signals."""

import asyncio
import dataclasses
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

from wcmatch.glob import escape

from httpprocessproxy.config import Address, Config
from httpprocessproxy.control import Control
from httpprocessproxy.core.hosts import HostRule
from httpprocessproxy.feed import Feed, Message
from httpprocessproxy.process import (
    Launcher,
    Output,
    Terminal,
    become_subreaper,
    reap_adopted,
    Recipe,
    redirected_output,
    seal_descriptors,
)
from httpprocessproxy.proxy import Plane, listen
from httpprocessproxy.supervisor import Supervisor
from httpprocessproxy.watch import Scope, open_watcher

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# The terminal and a wrapper around us may both pass one Ctrl+C on; a person is slower.
SAME_SIGNAL_S = 0.05


class Front:
    """What the supervisor tells of a generation's end goes to both who serve clients."""

    def __init__(self, plane: Plane, control: Control) -> None:
        self.end_generation = plane.end_generation
        self.reload_browsers = control.reload_browsers


class Interrupt:
    """Turns signals into a cancellation, and a second Ctrl+C into an end at once."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.received: int | None = None
        self._kill = kill
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._at = 0.0
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._handle, number)

    def _handle(self, number: int) -> None:
        now = self._loop.time()
        if self.received is None:
            self.received, self._at = number, now
            assert self._task is not None
            self._task.cancel()
        elif number == signal.SIGINT and now - self._at > SAME_SIGNAL_S:
            self._kill()


def run(config: Config) -> int:
    """Run until a signal ends it, and return the exit status (128 + the signal's number).

    Raises UserError if it cannot begin.
    """
    seal_descriptors()
    become_subreaper()
    if config.debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
    redirected = [escape(path) for path in redirected_output(Path.cwd())]
    scope = Scope.of(config, Path.cwd(), redirected)
    hosts = HostRule(config.allowed_hosts, config.bind.host)
    sockets = listen(config.bind)
    # Port 0 has become a real one, which browsers name in Origin.
    bind = Address(config.bind.host, sockets[0].getsockname()[1])
    recipe = Recipe(config.command, config.backend, config.env_file)
    recipe.environment()  # to find what is wrong now, and not when the first start fails
    editor = editor_template(config.editor, os.environ)
    config = dataclasses.replace(config, bind=bind, backend=recipe.address, editor=editor)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_serve(config, recipe, scope, hosts, sockets))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, and just as right
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(
    config: Config,
    recipe: Recipe,
    scope: Scope,
    hosts: HostRule,
    sockets: list[socket.socket],
) -> int:
    with ExitStack() as stack:
        output = stack.enter_context(Output())
        terminal = stack.enter_context(Terminal(output)) if Terminal.is_usable() else None
        launcher = Launcher(config.command, output, terminal)
        feed = Feed()

        mirror = Mirror(
            asyncio.get_running_loop(),
            lambda: feed.is_wanted("output"),
            lambda stream, text: feed.publish(
                "output", {"stream": stream, "text": text}, keep=False
            ),
        )
        output = stack.enter_context(Output(mirror.take))
        terminal = stack.enter_context(Terminal(output)) if Terminal.is_usable() else None
        launcher = Launcher(recipe, output, terminal)
        def say(text: str) -> None:
            feed.publish("notice", {"text": text})

        def write(message: Message) -> None:
            if message["type"] == "notice" or message["from"]:
                output.write(_line(message))

        stack.enter_context(feed.subscribe(("notice", "state"), write))
        supervisor = Supervisor(config, launcher, output, feed, say)
        interrupt = Interrupt(supervisor.kill)
        try:
            await _supervise(config, scope, hosts, sockets, supervisor, say)
        except asyncio.CancelledError:
            if interrupt.received is None:
                raise
    return 128 + (interrupt.received or 0)


async def _supervise(
    config: Config,
    scope: Scope,
    hosts: HostRule,
    sockets: list[socket.socket],
    supervisor: Supervisor,
    say: Callable[[str], None],
) -> None:
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(Control(config, hosts, supervisor.status, say))
        watcher = await stack.enter_async_context(
            open_watcher(config.watcher, Path.cwd(), scope, supervisor.changed, say)
        )
        supervisor.watcher = watcher
        plane = Plane(supervisor.gate, hosts, config.forwarded_allow_ips, control.socket_for)
        await stack.enter_async_context(plane.serve(sockets))
        say(f"http://{_here(config.bind)} -> {config.backend}; {watcher.description}")
        if not config.bind.is_loopback:
            say(f"warning: {config.bind} can be reached from other machines")
        async with asyncio.TaskGroup() as group:
            group.create_task(reap_adopted(), name="reap what was adopted")
            group.create_task(supervisor.run(Front(plane, control)), name="supervisor")


def _line(message: Message) -> str:
    if message["type"] == "notice":
        return str(message["text"])
    before, after = str(message["from"]).upper(), str(message["state"]).upper()
    return f"{before} -> {after} ({message['why']})"


def _here(bind: Address) -> Address:
    """What to type into a browser on this machine."""
    return Address(bind.host or "localhost", bind.port)
