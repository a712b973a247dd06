"""The composition root: makes all parts, and starts and ends them in order. Wiring only."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from httpprocessproxy.admin import Admin
from httpprocessproxy.admin.assets import client_js
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.config import Config
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.identity import DEFAULT_SERVICE
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.events import EventBus, Notice, OutputPrinted, StateChanged
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.process import (
    Keyboard,
    Launcher,
    Output,
    OutputText,
    ProcessTree,
    ProcessTrees,
    Terminal,
    become_subreaper,
    has_proc,
    open_for_writing,
    seal_descriptors,
)
from httpprocessproxy.proxy import ProxyOptions, ProxyServer
from httpprocessproxy.service.change_handler import ChangeHandler
from httpprocessproxy.service.content_filter import ContentFilter
from httpprocessproxy.service.supervisor import Supervisor
from httpprocessproxy.setup import Setup, prepare
from httpprocessproxy.system.event_loop import SignalHandler, run_on_new_loop
from httpprocessproxy.system.faults import contained
from httpprocessproxy.system.private_folders import remove_dead_folders
from httpprocessproxy.terminal.browser import Browser, urls
from httpprocessproxy.terminal.console import Console
from httpprocessproxy.terminal.shortcuts import HELP, KEYS, Shortcuts
from httpprocessproxy.watch import open_watcher, warn_unmatched

if TYPE_CHECKING:
    from httpprocessproxy.warm import Preloading

WITHOUT_PROC = (
    "warning: /proc is missing: processes that leave the server's process group outlive it, the "
    "server reads all keys, and the holder of a port is unknown; the rest works"
)


class Front:
    """Forwards the end of a generation to the proxy and to the reload endpoint."""

    def __init__(self, proxy_server: ProxyServer, admin: Admin) -> None:
        self.reclaim_unaccepted = proxy_server.reclaim_unaccepted
        self.end_generation = proxy_server.end_generation
        self.give_up = proxy_server.give_up
        self.silence = lambda: proxy_server.silence
        self.reload_browsers = admin.reload_browsers


def run(config: Config) -> int:
    """Run until a signal or the key q, and return the exit status: 128 + the signal, or 0.

    Raises UserError if the start fails.
    """
    seal_descriptors()
    become_subreaper()
    return run_on_new_loop(_run(prepare(config)))


async def _run(prepared: Setup) -> int:
    with ExitStack() as stack:
        app = App(prepared, stack)
        handler = SignalHandler(app.supervisor.kill, app.supervisor.report_wait)
        app.bind_keys(handler.quit)
        try:
            await app.serve()
        except asyncio.CancelledError:
            if handler.status is None:
                raise
    return handler.status or 0


class App:
    """All parts of the program, connected by callbacks and the event bus."""

    def __init__(self, prepared: Setup, stack: ExitStack) -> None:
        """`stack` releases the resources of the parts when it is closed."""
        config = prepared.config
        self._prepared = prepared
        self._bus = bus = EventBus()
        self._output_text = OutputText(
            asyncio.get_running_loop(),
            lambda: bus.is_wanted(OutputPrinted),
            lambda stream, text: bus.publish(OutputPrinted(stream=stream, text=text), keep=False),
        )
        self._shortcuts = Shortcuts()
        self._trees = ProcessTrees()
        tree = self._trees.add(DEFAULT_SERVICE)
        keyboard = None
        if Keyboard.is_usable():
            keyboard = Keyboard(KEYS, self._shortcuts.press, self._trees.processes)
        self._output = stack.enter_context(Output(self._output_text.take, keyboard))
        terminal = stack.enter_context(Terminal(self._output)) if Terminal.is_usable() else None
        has_keys = keyboard is not None and terminal is not None
        self._console = Console(config, self._output.write, has_keys=has_keys)
        stack.enter_context(self._console.listening(bus))
        self._preloading = self._new_preloading(tree, stack)
        launcher = Launcher(prepared.launch_spec, self._output, tree, terminal, self._preloading)
        if (inherited := prepared.launch_spec.inherited) is not None:
            stack.callback(inherited.close)
        self.supervisor = Supervisor(
            config.service, launcher, self._output, bus, self._say, self._preloading
        )
        self._replayer = Replayer(RequestLog(bus))
        self._context = AdminContext(
            self.supervisor.status,
            self.supervisor.restart,
            self._bus,
            self._replayer,
            self.supervisor.fence,
            prepared.dashboard,
        )
        self._admin = self._new_admin()
        self._browser = Browser(config.listen.bind.url_of(config.scheme), self._console.show)
        if config.browser.open:
            stack.enter_context(bus.on(StateChanged, self._browser.open_once_running))

    def bind_keys(self, quit_: Callable[[], None]) -> None:
        """Bind the keys of the terminal to their actions; `quit_` ends the program."""
        self._shortcuts.bind(
            {
                "r": lambda: self.supervisor.restart("the keyboard"),
                "o": self._browser.open,
                "c": self._output.clear_screen,
                "q": quit_,
                "?": lambda: self._console.show(HELP),
            }
        )

    async def serve(self) -> None:
        """Open all listeners and run the backend until cancelled."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._admin)
            content_filter = await self._watch(stack)
            if (chains := self._prepared.chains) is not None:
                await stack.enter_async_context(chains.running(self._bus))
            proxy_server = self._new_proxy_server()
            self._replayer.send = proxy_server.replay
            stack.enter_context(self._replayer.listening(self._bus))
            notes = await self._open(proxy_server, stack)
            self._show_start(notes)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._trees.reap_adopted(), name="reap adopted processes")
                unmatched = warn_unmatched(
                    self._prepared.config.service.watch, Path.cwd(), self._say
                )
                group.create_task(unmatched, name="look for globs that match no file")
                cleaning = asyncio.to_thread(remove_dead_folders)
                group.create_task(cleaning, name="remove folders of dead runs")
                if content_filter is not None:
                    scope = self._prepared.scope.copy()
                    group.create_task(content_filter.run(scope), name="compare contents")
                if self._preloading is not None:
                    group.create_task(self._preloading.run(), name="preload")
                await self._start_companions(proxy_server, stack, group)
                front = Front(proxy_server, self._admin)
                group.create_task(self.supervisor.run(front), name="supervisor")

    async def _start_companions(
        self, proxy_server: ProxyServer, stack: AsyncExitStack, group: asyncio.TaskGroup
    ) -> None:
        """Start the companions that send requests to the site: share and archive."""
        share, archive = self._prepared.share, self._prepared.archive
        if share is None and archive is None:
            return
        visits = await stack.enter_async_context(proxy_server.serve_visits())
        if share is not None:
            sharing = partial(share.run, visits, self._bus, self._console.show)
            group.create_task(self._companion("share", sharing), name="share")
        if archive is not None:
            prepared, token = self._prepared, self._context.token
            serving = partial(
                archive.run, prepared.config, prepared.hosts, token, visits, self._say
            )
            group.create_task(self._companion("archive", serving), name="archive")

    async def _companion(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        with contained(f"--{name}"):
            await work()
            return
        self._say(f"--{name} has ended by an error in http-process-proxy; the server goes on")

    def _admin_socket(self, target: bytes, trusted: bool, is_dashboard: bool) -> str | None:
        """The unix socket that serves a target below `/_hpp/`; see `ProxyServer`."""
        if trusted and self._prepared.archive is not None:
            socket = self._prepared.archive.socket_for(target)
            if socket is not None:
                return socket
        return self._admin.socket_for(target, trusted, is_dashboard)

    def _say(self, text: str) -> None:
        self._bus.publish(Notice(text=text))

    def _tail(self) -> str:
        """The end of the output, for pages.

        Output that waits to be published is flushed first: otherwise it would reach a page twice.
        """
        self._output_text.flush()
        return self._output.tail.decode(errors="replace")

    def _new_preloading(self, tree: ProcessTree, stack: ExitStack) -> "Preloading | None":
        preload = self._prepared.preload
        if preload is None:
            return None
        if preload.command is None:
            self._say(f"--preload: {preload.why_not}; starts are cold")
            return None
        from httpprocessproxy.warm import Preloading, RecordCache, cache_folder

        record_cache = RecordCache(cache_folder(), preload.key)
        preloading = Preloading(
            preload.command, self._prepared.launch_spec, tree, record_cache, self._bus
        )
        stack.enter_context(self._bus.on(StateChanged, preloading.state_changed))
        return preloading

    def _new_admin(self) -> Admin:
        prepared = self._prepared
        return Admin(prepared.config, prepared.hosts, self._context, self._tail, self._say)

    def _new_proxy_server(self) -> ProxyServer:
        config = self._prepared.config
        nonce = secrets.token_urlsafe(16).encode()
        options = ProxyOptions(
            self._prepared.hosts,
            config.listen.forwarded_allow_ips,
            self._admin_socket,
            Injector(nonce, self._say, client_js().integrity) if config.browser.inject else None,
            self._prepared.chains,
            ResponseFields(
                config.service.address.host,
                adds_no_cache=config.browser.cache_control,
                leads_back=config.browser.rewrite_redirects,
            ),
            hides_alt_svc=config.tls.enabled,
            takes_back=config.service.socket,
        )
        return ProxyServer(self.supervisor.gate, self._replayer.log, options, self._say)

    async def _watch(self, stack: AsyncExitStack) -> ContentFilter | None:
        """Connect the watcher with restarts and refreshes.

        Returns the filter that compares contents, with --ignore-unchanged.
        """
        config, scope = self._prepared.config.service.watch, self._prepared.scope
        supervisor = self.supervisor
        change_handler = ChangeHandler(
            scope.refreshes,
            supervisor.changed,
            self._bus,
            self._say,
            lambda: supervisor.gate.has_pending,
            partial(open_for_writing, self._trees.processes),
        )
        supervisor.changes = change_handler
        stack.enter_context(self._bus.on(StateChanged, change_handler.state_changed))
        content_filter = None
        if config.ignore_unchanged:
            content_filter = ContentFilter(
                Path.cwd(), change_handler.changed, self.supervisor.settled
            )
        changed = content_filter.changed if content_filter is not None else change_handler.changed
        settled = self.supervisor.settled
        watcher = await stack.enter_async_context(
            open_watcher(config.watcher, Path.cwd(), scope, changed, self._say, settled)
        )
        if content_filter is None:
            supervisor.watch_by(watcher)
        else:
            supervisor.watch_by(content_filter.judging(watcher), content_filter)
        return content_filter

    async def _open(self, proxy_server: ProxyServer, stack: AsyncExitStack) -> Mapping[str, str]:
        """Open the listeners for clients; return notes on them for the start lines, by names."""
        prepared = self._prepared
        if prepared.identity is None:
            sockets = [*prepared.sockets, *prepared.dashboard_sockets]
            ends = [sock.getsockname()[1] for sock in prepared.dashboard_sockets]
            await stack.enter_async_context(proxy_server.serve(sockets, ends))
            return {}
        # Needs the extra `tls`, whose presence `prepare` has checked.
        from httpprocessproxy.frontends.opening import open_frontends

        return await stack.enter_async_context(
            open_frontends(
                prepared.config,
                prepared.identity,
                proxy_server,
                prepared.hosts,
                prepared.sockets,
                prepared.dashboard_sockets,
                self._say,
            )
        )

    def _show_start(self, notes: Mapping[str, str]) -> None:
        config, watcher = self._prepared.config, self.supervisor.watcher
        shown = urls(config.listen.bind, config.scheme)
        dashboard = self._prepared.dashboard.urls
        port = self._admin.livereload_port
        self._console.start(shown, dashboard, watcher.description, port, notes)
        if not (config.terminal.quiet or config.terminal.json_logs):
            self._output.remind_of("\n".join(f"  open        {url}" for url in shown))
        if sys.platform == "linux" and not has_proc():
            self._say(WITHOUT_PROC)
        if not config.listen.bind.is_loopback:
            self._say(f"warning: {config.listen.bind} can be reached from other machines")
