"""The composition root: makes all parts, and starts and ends them in order. Wiring only."""

import asyncio
import secrets
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

from httpprocessproxy.admin.assets import client_js
from httpprocessproxy.admin.context import AdminContext
from httpprocessproxy.admin.endpoints import Admin
from httpprocessproxy.companions.beside import CompanionContext
from httpprocessproxy.config import BrowserConfig, Config
from httpprocessproxy.core.http.response_fields import ResponseFields
from httpprocessproxy.core.page.documents import Injector
from httpprocessproxy.core.routes import RouteTable
from httpprocessproxy.events import EventBus, Notice, StateChanged
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.process import (
    Launcher,
    ProcessTree,
    ProcessTrees,
    become_subreaper,
    seal_descriptors,
)
from httpprocessproxy.proxy import DestinationOptions, ProxyOptions, ProxyServer
from httpprocessproxy.service.external import ExternalService
from httpprocessproxy.service.service import Service
from httpprocessproxy.service.services import Services
from httpprocessproxy.setup import ServiceSetup, Setup, prepare
from httpprocessproxy.system.event_loop import SignalHandler, run_on_new_loop
from httpprocessproxy.system.private_folders import remove_dead_folders
from httpprocessproxy.system.registry import Registration
from httpprocessproxy.terminal.browser import Browser, urls
from httpprocessproxy.terminal.shortcuts import help_text, keys_of_services
from httpprocessproxy.terminal.user_terminal import UserTerminal, open_terminal
from httpprocessproxy.terminal.warnings import start_warnings
from httpprocessproxy.watch import ScopeUnion, open_watcher, warn_unmatched


def run(config: Config, registration: Registration | None = None) -> int:
    """Run until a signal or the key q, and return the exit status: 128 + the signal, or 0.

    `registration` is the entry in the registry of running proxies. Raises UserError if the start
    fails.
    """
    seal_descriptors()
    become_subreaper()
    return run_on_new_loop(_run(prepare(config, registration)))


async def _run(setup: Setup) -> int:
    bus = EventBus()
    with ExitStack() as stack:
        trees = ProcessTrees()
        terminal = stack.enter_context(open_terminal(setup.config, bus, trees))
        services = Services(
            (
                _service(each, trees.add(each.config.name), terminal, bus, stack)
                for each in setup.services
                if each.launch_spec is not None
            ),
            (
                ExternalService(each.config, bus)
                for each in setup.services
                if each.launch_spec is None
            ),
        )
        browser = Browser(setup.config.url, terminal.console.show)
        if setup.config.browser.open:
            stack.enter_context(bus.on(StateChanged, browser.open_once_running))
        handler = SignalHandler(services.kill, services.report_wait)
        actions = {
            "r": lambda: _shown(terminal, services).restart("the keyboard"),
            "o": browser.open,
            "c": terminal.copier.clear_screen,
            "q": handler.quit,
            "?": lambda: terminal.console.show(help_text(keys_of_services(setup.config))),
        }
        stack.enter_context(terminal.shortcuts.acting(actions))
        try:
            shown = {each.name: services.every[each.name] for each in setup.config.services}
            context = AdminContext(shown, bus, setup.dashboard, handler.quit)
            await _serve(setup, terminal, trees, services, context)
        except asyncio.CancelledError:
            if handler.status is None:
                raise
    return handler.status or 0


def _shown(terminal: UserTerminal, services: Services) -> Service | Services:
    """The service that the terminal shows alone, or all of them."""
    shown = terminal.copier.shown
    return services if shown is None else services[shown]


def _service(
    setup: ServiceSetup,
    tree: ProcessTree,
    terminal: UserTerminal,
    bus: EventBus,
    stack: ExitStack,
) -> Service:
    spec, preload = setup.launch_spec, None
    assert spec is not None, "the proxy starts it"
    if spec.inherited is not None:
        stack.callback(spec.inherited.close)
    if setup.preload is not None:
        preload = setup.preload.open(spec, tree, bus)
    output = terminal.outputs[setup.config.name]
    launcher = Launcher(spec, output, tree, terminal.pty, preload)
    return Service(setup.config, launcher, setup.scope, bus, preload)


async def _serve(
    setup: Setup,
    terminal: UserTerminal,
    trees: ProcessTrees,
    services: Services,
    context: AdminContext,
) -> None:
    """Open all listeners and run the services until cancelled."""
    bus = context.bus

    def say(text: str) -> None:
        bus.publish(Notice(text=text))

    config = setup.config
    scope = ScopeUnion.joined([each.scope for each in setup.services])
    admin = Admin(config, setup.hosts, context, say)
    log = RequestLog(bus)
    proxy_server = _proxy_server(setup, services, admin, log, bus)
    replayer = Replayer(log, proxy_server.replay)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admin.serving(replayer))
        watcher = await stack.enter_async_context(
            open_watcher(
                *(config.service.watch.watcher, Path.cwd(), scope),
                *(services.changed, say, services.settled),
            )
        )
        if setup.chains is not None:
            await stack.enter_async_context(setup.chains.running(bus))
        stack.enter_context(replayer.listening(bus))
        listening = setup.listeners.serving(config, setup.hosts, proxy_server, say)
        notes = await stack.enter_async_context(listening)
        _register(setup, bus.run)
        shown = urls(config.listen.bind, config.scheme)
        port = admin.livereload_port
        terminal.console.start(shown, setup.dashboard.urls, watcher.description, port, notes)
        for warning in (*setup.notes, *start_warnings(config.listen.bind)):
            say(warning)
        beside = CompanionContext(config, setup.hosts, context.token, bus, terminal.console.show)
        async with asyncio.TaskGroup() as group:
            group.create_task(trees.reap_adopted(), name="reap adopted processes")
            for each in config.services:
                unmatched = warn_unmatched(each.watch, Path.cwd(), say)
                group.create_task(unmatched, name=f"look for globs of {each.name} without a file")
            cleaning = asyncio.to_thread(remove_dead_folders)
            group.create_task(cleaning, name="remove folders of dead runs")
            group.create_task(setup.companions.run(proxy_server, beside), name="companions")
            group.create_task(services.run(watcher, proxy_server.destinations), name="services")


def _register(setup: Setup, run: str) -> None:
    """Tell other processes of the user where the proxy listens."""
    config, registration = setup.config, setup.registration
    if registration is not None:
        names = [each.config.name for each in setup.services]
        # A cleanup may have removed the registry: the proxy runs without an entry.
        with suppress(OSError):
            registration.listening(url=config.url, run=run, services=names)


def _proxy_server(
    setup: Setup, services: Services, admin: Admin, log: RequestLog, bus: EventBus
) -> ProxyServer:
    config = setup.config
    nonce = secrets.token_urlsafe(16).encode()

    def say(text: str, service: str | None = None) -> None:
        bus.publish(Notice(service=service, text=text))

    def admin_socket(target: bytes, trusted: bool, is_dashboard: bool) -> str | None:
        mounted = setup.companions.socket_for(target) if trusted else None
        return mounted or admin.socket_for(target, trusted, is_dashboard)

    options = ProxyOptions(
        setup.hosts,
        config.listen.forwarded_allow_ips,
        admin_socket,
        Injector(nonce, say, client_js().integrity) if config.browser.inject else None,
        setup.chains,
        hides_alt_svc=config.tls.enabled,
        routes=RouteTable(setup.routes),
        services={name: _rules(each, config.browser) for name, each in services.every.items()},
    )
    gates = {name: service.gate for name, service in services.every.items()}
    return ProxyServer(gates, log, options, lambda service, text: say(text, service))


def _rules(service: Service | ExternalService, browser: BrowserConfig) -> DestinationOptions:
    config = service.config
    fields = ResponseFields(
        config.address.host,
        adds_no_cache=browser.cache_control,
        leads_back=browser.rewrite_redirects,
    )
    return DestinationOptions(
        fields,
        takes_back=config.socket,
        strips=config.strip,
        unreachable=service.unreachable if isinstance(service, ExternalService) else None,
    )
