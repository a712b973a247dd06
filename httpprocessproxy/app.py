"""Wiring, and nothing else: who is made of what, in which order it starts and ends, signals."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from httpprocessproxy.actions import Actions
from httpprocessproxy.browser import Browser, urls
from httpprocessproxy.config import Config
from httpprocessproxy.console import Console
from httpprocessproxy.control import Control
from httpprocessproxy.control.assets import client_js
from httpprocessproxy.control.workings import Workings
from httpprocessproxy.core.documents import Injector
from httpprocessproxy.core.response_fields import ResponseFields
from httpprocessproxy.faults import contained
from httpprocessproxy.feed import Feed
from httpprocessproxy.loops import ending_signals, run_on_new_loop
from httpprocessproxy.preparation import Prepared, prepare
from httpprocessproxy.privatefolders import remove_dead_folders
from httpprocessproxy.process import (
    Keyboard,
    Launcher,
    Mirror,
    Output,
    Terminal,
    become_subreaper,
    has_proc,
    reap_adopted,
    seal_descriptors,
)
from httpprocessproxy.proxy import Plane
from httpprocessproxy.replays import Replays
from httpprocessproxy.requestlog import RequestLog
from httpprocessproxy.shortcuts import HELP, KEYS, Shortcuts
from httpprocessproxy.supervisor import Supervisor
from httpprocessproxy.unchanged import Unchanged
from httpprocessproxy.watch import open_watcher, say_unmatched

if TYPE_CHECKING:
    from httpprocessproxy.preload import Preloading

# The terminal and a wrapper around us may both pass one Ctrl+C on; a person is slower.
SAME_SIGNAL_S = 0.05

WITHOUT_PROC = (
    "warning: there is no /proc: processes that leave the server's process group outlive it, keys "
    "are the server's, and who holds a port is not known; the rest works"
)

# Who waits longer for an end wonders whether the key was pressed.
UNEXPLAINED_WAIT_S = 0.5


class Front:
    """What the supervisor tells of a generation's end goes to both who serve clients."""

    def __init__(self, plane: Plane, control: Control) -> None:
        self.take_back = plane.take_back
        self.end_generation = plane.end_generation
        self.give_up = plane.give_up
        self.silence = lambda: plane.silence
        self.reload_browsers = control.reload_browsers


class Interrupt:
    """Turns signals into a cancellation, and a second Ctrl+C into an end at once.

    `status` is None until then, and after that the exit status.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.status: int | None = None
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._at = 0.0
        for number in ending_signals():
            self._loop.add_signal_handler(number, self._handle, number)

    def quit(self) -> None:
        """End well: the user has asked for it by a key."""
        if self.status is None:
            self._end(0)

    def _handle(self, number: int) -> None:
        if self.status is None:
            self._end(128 + number)
        elif number == signal.SIGINT and self._loop.time() - self._at > SAME_SIGNAL_S:
            self._supervisor.kill()

    def _end(self, status: int) -> None:
        self.status, self._at = status, self._loop.time()
        assert self._task is not None
        self._task.cancel()
        self._loop.call_later(UNEXPLAINED_WAIT_S, self._supervisor.tell_of_waiting)


def run(config: Config) -> int:
    """Run until a signal or the user ends it, and return the exit status: 128 + the signal, or 0.

    Raises UserError if it cannot begin.
    """
    seal_descriptors()
    become_subreaper()
    return run_on_new_loop(_run(prepare(config)))


async def _run(prepared: Prepared) -> int:
    with ExitStack() as stack:
        program = Program(prepared, stack)
        interrupt = Interrupt(program.supervisor)
        program.lead_keys(interrupt.quit)
        try:
            await program.serve()
        except asyncio.CancelledError:
            if interrupt.status is None:
                raise
    return interrupt.status or 0


class Program:
    """All parts, and how they hear of each other."""

    def __init__(self, prepared: Prepared, stack: ExitStack) -> None:
        """What the parts take up is given back when `stack` is left."""
        config = prepared.config
        self._prepared = prepared
        self._feed = feed = Feed()
        self._mirror = Mirror(
            asyncio.get_running_loop(),
            lambda: feed.is_wanted("output"),
            lambda stream, text: feed.publish(
                "output", {"stream": stream, "text": text}, keep=False
            ),
        )
        self._shortcuts = Shortcuts()
        keyboard = Keyboard(KEYS, self._shortcuts.press) if Keyboard.is_usable() else None
        self._output = stack.enter_context(Output(self._mirror.take, keyboard))
        terminal = stack.enter_context(Terminal(self._output)) if Terminal.is_usable() else None
        has_keys = keyboard is not None and terminal is not None
        self._console = Console(config, self._output.write, has_keys=has_keys)
        stack.enter_context(self._console.listening(feed))
        self._preloading = self._new_preloading(stack)
        launcher = Launcher(prepared.recipe, self._output, terminal, self._preloading)
        if (inherited := prepared.recipe.inherited) is not None:
            stack.callback(inherited.close)
        self.supervisor = Supervisor(
            config, launcher, self._output, feed, self._say, self._preloading
        )
        self._replays = Replays(RequestLog(feed))
        self._workings = Workings(
            self.supervisor.status,
            self.supervisor.restart,
            self._feed,
            self._replays,
            self.supervisor.fence,
            prepared.dashboard,
        )
        self._control = self._new_control()
        self._browser = Browser(config.bind.url_of(config.scheme), self._console.show)
        if config.open_browser:
            stack.enter_context(feed.subscribe(("state",), self._browser.open_once_running))

    def lead_keys(self, quit_: Callable[[], None]) -> None:
        """Say what keys do."""
        self._shortcuts.lead_to(
            {
                "r": lambda: self.supervisor.restart("the keyboard"),
                "o": self._browser.open,
                "c": self._output.clear_screen,
                "q": quit_,
                "?": lambda: self._console.show(HELP),
            }
        )

    async def serve(self) -> None:
        """Open all doors, run the backend, and go on until cancelled."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._control)
            unchanged = await self._watch(stack)
            if (chains := self._prepared.chains) is not None:
                await stack.enter_async_context(chains.running(self._feed))
            plane = self._new_plane()
            self._replays.send = plane.replay
            stack.enter_context(self._replays.listening(self._feed))
            notes = await self._open(plane, stack)
            self._tell_where(notes)
            async with asyncio.TaskGroup() as group:
                group.create_task(reap_adopted(), name="reap what was adopted")
                unmatched = say_unmatched(self._prepared.config, Path.cwd(), self._say)
                group.create_task(unmatched, name="look for globs that match no file")
                cleaning = asyncio.to_thread(remove_dead_folders)
                group.create_task(cleaning, name="remove folders of dead runs")
                if unchanged is not None:
                    scope = self._prepared.scope.copy()
                    group.create_task(unchanged.run(scope), name="compare contents")
                if self._preloading is not None:
                    group.create_task(self._preloading.run(), name="preload")
                await self._begin_companions(plane, stack, group)
                front = Front(plane, self._control)
                group.create_task(self.supervisor.run(front), name="supervisor")

    async def _begin_companions(
        self, plane: Plane, stack: AsyncExitStack, group: asyncio.TaskGroup
    ) -> None:
        """Begin what asks the site in the name of others, if there is any."""
        share, archive = self._prepared.share, self._prepared.archive
        if share is None and archive is None:
            return
        visits = await stack.enter_async_context(plane.serve_visits())
        if share is not None:
            sharing = partial(share.run, visits, self._feed, self._console.show)
            group.create_task(self._companion("share", sharing), name="share")
        if archive is not None:
            prepared, token = self._prepared, self._workings.token
            serving = partial(
                archive.run, prepared.config, prepared.hosts, token, visits, self._say
            )
            group.create_task(self._companion("archive", serving), name="archive")

    async def _companion(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        with contained(f"--{name}"):
            await work()
            return
        self._say(f"--{name} has ended by an error in http-process-proxy; the server goes on")

    def _our_pages(self, target: bytes, trusted: bool, is_dashboard: bool) -> str | None:
        """The socket that serves a target of ours; see `Plane`."""
        if trusted and self._prepared.archive is not None:
            socket = self._prepared.archive.socket_for(target)
            if socket is not None:
                return socket
        return self._control.socket_for(target, trusted, is_dashboard)

    def _say(self, text: str) -> None:
        self._feed.publish("notice", {"text": text})

    def _tail(self) -> str:
        """The end of the output, for pages. What is on its way to them would be in both."""
        self._mirror.flush()
        return self._output.tail.decode(errors="replace")

    def _new_preloading(self, stack: ExitStack) -> "Preloading | None":
        preload = self._prepared.preload
        if preload is None:
            return None
        if preload.command is None:
            self._say(f"--preload: {preload.why_not}; starts are cold")
            return None
        from httpprocessproxy.preload import Preloading, Shelf, cache_folder

        shelf = Shelf(cache_folder(), preload.key)
        preloading = Preloading(preload.command, self._prepared.recipe, shelf, self._feed)
        stack.enter_context(self._feed.subscribe(("state",), preloading.entered))
        return preloading

    def _new_control(self) -> Control:
        prepared = self._prepared
        return Control(prepared.config, prepared.hosts, self._workings, self._tail, self._say)

    def _new_plane(self) -> Plane:
        config = self._prepared.config
        nonce = secrets.token_urlsafe(16).encode()
        return Plane(
            self.supervisor.gate,
            self._prepared.hosts,
            config.forwarded_allow_ips,
            self._replays.log,
            self._our_pages,
            Injector(nonce, self._say, client_js().integrity) if config.inject else None,
            self._prepared.chains,
            self._say,
            ResponseFields(
                config.backend.host,
                adds_no_cache=config.cache_control,
                leads_back=config.rewrite_redirects,
            ),
            hides_alt_svc=config.tls,
            takes_back=config.socket,
        )

    async def _watch(self, stack: AsyncExitStack) -> Unchanged | None:
        """Lead from changed files to restarts and refreshes; return who compares their contents."""
        config, scope = self._prepared.config, self._prepared.scope
        supervisor = self.supervisor
        actions = Actions(
            scope.refreshes,
            supervisor.changed,
            self._feed,
            self._say,
            lambda: supervisor.gate.has_pending,
        )
        supervisor.changes = actions
        stack.enter_context(self._feed.subscribe(("state",), actions.entered))
        unchanged = None
        if config.ignore_unchanged:
            unchanged = Unchanged(Path.cwd(), actions.changed, self.supervisor.settled)
        changed = unchanged.changed if unchanged is not None else actions.changed
        settled = self.supervisor.settled
        watcher = await stack.enter_async_context(
            open_watcher(config.watcher, Path.cwd(), scope, changed, self._say, settled)
        )
        if unchanged is None:
            supervisor.watch_by(watcher)
        else:
            supervisor.watch_by(unchanged.judging(watcher), unchanged)
        return unchanged

    async def _open(self, plane: Plane, stack: AsyncExitStack) -> Mapping[str, str]:
        """Let clients in; return what to show of the way, by names."""
        prepared = self._prepared
        if prepared.identity is None:
            sockets = [*prepared.sockets, *prepared.dashboard_sockets]
            ends = [sock.getsockname()[1] for sock in prepared.dashboard_sockets]
            await stack.enter_async_context(plane.serve(sockets, ends))
            return {}
        # An extra, which `prepare` has found.
        from httpprocessproxy.front_door.opening import open_front_door

        return await stack.enter_async_context(
            open_front_door(
                prepared.config,
                prepared.identity,
                plane,
                prepared.hosts,
                prepared.sockets,
                prepared.dashboard_sockets,
                self._say,
            )
        )

    def _tell_where(self, notes: Mapping[str, str]) -> None:
        config, watcher = self._prepared.config, self.supervisor.watcher
        shown = urls(config.bind, config.scheme)
        dashboard = self._prepared.dashboard.urls
        port = self._control.livereload_port
        self._console.start(shown, dashboard, watcher.description, port, notes)
        if not (config.quiet or config.json_logs):
            self._output.reminder = "\n".join(f"  open        {url}" for url in shown)
        if sys.platform == "linux" and not has_proc():
            self._say(WITHOUT_PROC)
        if not config.bind.is_loopback:
            self._say(f"warning: {config.bind} can be reached from other machines")
