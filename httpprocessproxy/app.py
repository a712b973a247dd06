"""Wiring, and nothing else: who is made of what, in which order it starts and ends, signals."""

import asyncio
import dataclasses
import os
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from wcmatch.glob import escape

from httpprocessproxy.actions import Actions
from httpprocessproxy.browser import Browser, urls
from httpprocessproxy.config import Address, Config
from httpprocessproxy.console import Console
from httpprocessproxy.control import Control
from httpprocessproxy.control.workings import Workings
from httpprocessproxy.core.documents import Injector
from httpprocessproxy.core.editors import editor_template
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.hosts import HostRule
from httpprocessproxy.feed import Feed
from httpprocessproxy.front_door import needs
from httpprocessproxy.process import (
    Keyboard,
    Launcher,
    Mirror,
    Output,
    Recipe,
    Terminal,
    asgi_command,
    become_subreaper,
    reap_adopted,
    redirected_output,
    seal_descriptors,
)
from httpprocessproxy.proxy import Plane, listen
from httpprocessproxy.replays import Replays
from httpprocessproxy.requestlog import RequestLog
from httpprocessproxy.shortcuts import HELP, KEYS, Shortcuts
from httpprocessproxy.supervisor import Supervisor
from httpprocessproxy.unchanged import Unchanged
from httpprocessproxy.watch import Scope, open_watcher

if TYPE_CHECKING:
    from httpprocessproxy.front_door.certificates import Identity
    from httpprocessproxy.share.worker.companion import Share

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# The terminal and a wrapper around us may both pass one Ctrl+C on; a person is slower.
SAME_SIGNAL_S = 0.05


class Front:
    """What the supervisor tells of a generation's end goes to both who serve clients."""

    def __init__(self, plane: Plane, control: Control) -> None:
        self.end_generation = plane.end_generation
        self.reload_browsers = control.reload_browsers


class Interrupt:
    """Turns signals into a cancellation, and a second Ctrl+C into an end at once.

    `status` is None until then, and after that the exit status.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self.status: int | None = None
        self._kill = kill
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._at = 0.0
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._handle, number)

    def quit(self) -> None:
        """End well: the user has asked for it by a key."""
        if self.status is None:
            self._end(0)

    def _handle(self, number: int) -> None:
        if self.status is None:
            self._end(128 + number)
        elif number == signal.SIGINT and self._loop.time() - self._at > SAME_SIGNAL_S:
            self._kill()

    def _end(self, status: int) -> None:
        self.status, self._at = status, self._loop.time()
        assert self._task is not None
        self._task.cancel()


def run(config: Config) -> int:
    """Run until a signal or the user ends it, and return the exit status: 128 + the signal, or 0.

    Raises UserError if it cannot begin.
    """
    seal_descriptors()
    become_subreaper()
    redirected = [escape(path) for path in redirected_output(Path.cwd())]
    scope = Scope.of(config, Path.cwd(), redirected)
    hosts = HostRule(config.allowed_hosts, config.bind.host)
    identity = _identity(config, hosts) if config.tls else None
    share = _share(config)
    sockets = listen(config.bind)
    # Port 0 has become a real one, which browsers name in Origin.
    bind = Address(config.bind.host, sockets[0].getsockname()[1])
    config = dataclasses.replace(config, command=_command(config))
    recipe = Recipe(config.command, config.backend, config.env_file)
    recipe.environment()  # to find what is wrong now, and not when the first start fails
    editor = editor_template(config.editor, os.environ)
    config = dataclasses.replace(
        config, bind=bind, backend=recipe.address, command=recipe.words, editor=editor
    )
    try:
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            return runner.run(_serve(config, recipe, scope, hosts, sockets, identity, share))
    except ExceptionGroup as group:
        raise _unwrapped(group) from group


def _unwrapped(error: Exception) -> Exception:
    """What is for the user, of which each TaskGroup that it left has made a group."""
    inner = error
    while isinstance(inner, ExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner if isinstance(inner, UserError) else error


def _command(config: Config) -> tuple[str, ...]:
    """Raises UserError."""
    if config.asgi is None:
        return config.command
    factory, debug = config.asgi_factory, config.debug
    return asgi_command(config.asgi, config.backend, is_factory=factory, debug=debug)


def _identity(config: Config, hosts: HostRule) -> "Identity":
    """Raises UserError."""
    with needs("--tls", "tls"):
        from httpprocessproxy.front_door import opening  # noqa: F401 - to find what is missing
        from httpprocessproxy.front_door.certificates import open_identity
    if config.http3:
        with needs("--http3", "http3"):
            from httpprocessproxy.front_door import http3  # noqa: F401
    return open_identity(config, hosts)


def _share(config: Config) -> "Share | None":
    """Imported where it is asked for: aiohttp takes 13 MB. Raises UserError."""
    if config.share is None:
        return None
    from httpprocessproxy.share.worker.asking import Wish
    from httpprocessproxy.share.worker.companion import Share

    wish = Wish(
        config.share,
        config.share_name,
        config.share_token_file,
        config.share_auth,
        config.share_allow,
    )
    return Share(wish)


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
    identity: "Identity | None",
    share: "Share | None",
) -> int:
    with ExitStack() as stack:
        feed = Feed()
        mirror = Mirror(
            asyncio.get_running_loop(),
            lambda: feed.is_wanted("output"),
            lambda stream, text: feed.publish(
                "output", {"stream": stream, "text": text}, keep=False
            ),
        )
        shortcuts = Shortcuts()
        keyboard = Keyboard(KEYS, shortcuts.press) if Keyboard.is_usable() else None
        output = stack.enter_context(Output(mirror.take, keyboard))
        terminal = stack.enter_context(Terminal(output)) if Terminal.is_usable() else None
        launcher = Launcher(recipe, output, terminal)

        def say(text: str) -> None:
            feed.publish("notice", {"text": text})

        has_keys = keyboard is not None and terminal is not None
        console = Console(config, output.write, has_keys=has_keys)
        stack.enter_context(console.listening(feed))
        supervisor = Supervisor(config, launcher, output, feed, say)

        def tail() -> str:
            # What is on its way to pages would be in both.
            mirror.flush()
            return output.tail.decode(errors="replace")

        replays = Replays(RequestLog(feed))
        workings = Workings(supervisor.status, supervisor.restart, feed, replays)
        control = Control(config, hosts, workings, tail, say)
        interrupt = Interrupt(supervisor.kill)
        browser = Browser(config.bind.url_of(config.scheme), console.show)
        if config.open_browser:
            stack.enter_context(feed.subscribe(("state",), browser.open_once_running))
        shortcuts.lead_to(
            {
                "r": lambda: supervisor.restart("the keyboard"),
                "o": browser.open,
                "c": output.clear_screen,
                "q": interrupt.quit,
                "?": lambda: console.show(HELP),
            }
        )
        try:
            await _supervise(
                config,
                scope,
                hosts,
                sockets,
                identity,
                supervisor,
                control,
                replays,
                feed,
                console,
                share,
            )
        except asyncio.CancelledError:
            if interrupt.status is None:
                raise
    return interrupt.status or 0


async def _supervise(
    config: Config,
    scope: Scope,
    hosts: HostRule,
    sockets: list[socket.socket],
    identity: "Identity | None",
    supervisor: Supervisor,
    control: Control,
    replays: Replays,
    feed: Feed,
    console: Console,
    share: "Share | None",
) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(control)
        actions = Actions(scope.refreshes, supervisor.changed, feed, supervisor.say)
        stack.enter_context(feed.subscribe(("state",), actions.entered))
        unchanged = Unchanged(Path.cwd(), actions.changed) if config.ignore_unchanged else None
        changed = unchanged.changed if unchanged is not None else actions.changed
        watcher = await stack.enter_async_context(
            open_watcher(config.watcher, Path.cwd(), scope, changed, supervisor.say)
        )
        supervisor.watcher = watcher
        injector = _injector(config, supervisor.say)
        plane = Plane(
            supervisor.gate,
            hosts,
            config.forwarded_allow_ips,
            replays.log,
            control.socket_for,
            injector,
            hides_alt_svc=config.tls,
        )
        replays.send = plane.replay
        stack.enter_context(replays.listening(feed))
        if identity is None:
            await stack.enter_async_context(plane.serve(sockets))
            notes: Mapping[str, str] = {}
        else:
            from httpprocessproxy.front_door.opening import open_front_door

            notes = await stack.enter_async_context(
                open_front_door(config, identity, plane, hosts, sockets, supervisor.say)
            )
        shown = urls(config.bind, config.scheme)
        console.start(shown, watcher.description, control.livereload_port, notes)
        if not config.bind.is_loopback:
            supervisor.say(f"warning: {config.bind} can be reached from other machines")
        async with asyncio.TaskGroup() as group:
            group.create_task(reap_adopted(), name="reap what was adopted")
            if unchanged is not None:
                group.create_task(unchanged.run(scope.copy()), name="compare contents")
            if share is not None:
                visits = await stack.enter_async_context(plane.serve_visits())
                group.create_task(share.run(visits, feed, console.show), name="share")
            group.create_task(supervisor.run(Front(plane, control)), name="supervisor")


def _injector(config: Config, say: Callable[[str], None]) -> Injector | None:
    nonce = secrets.token_urlsafe(16).encode()
    return Injector(nonce, say) if config.inject else None
