"""Preparation before the event loop runs: errors of the user are found here, each in one line.

Optional parts are imported here if an option requires them, so that a missing extra is reported
before anything starts.
"""

import importlib.util
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from httpprocessproxy.companions.beside import Companions
from httpprocessproxy.config import (
    Address,
    ArchiveConfig,
    ChainsConfig,
    Config,
    ServiceConfig,
    ShareConfig,
)
from httpprocessproxy.config.secret import secret
from httpprocessproxy.core.change.patterns import literal
from httpprocessproxy.core.http.hosts import DASHBOARD_HOST, HostRule
from httpprocessproxy.core.page.editors import editor_template
from httpprocessproxy.core.page.places import DashboardPlaces
from httpprocessproxy.core.routes import Route, with_own_hosts
from httpprocessproxy.events import EventBus, Notice
from httpprocessproxy.frontends import needs
from httpprocessproxy.frontends.listeners import Listeners
from httpprocessproxy.process import (
    InheritedSocket,
    LaunchContext,
    LaunchSpec,
    PlaceholderValues,
    ProcessTree,
    asgi_command,
    redirected_output,
    worktree_name,
)
from httpprocessproxy.proxy import listen
from httpprocessproxy.proxy.next_port import listen_or_move
from httpprocessproxy.system.checkout import Checkout
from httpprocessproxy.system.registry import Registration
from httpprocessproxy.watch import Scope

if TYPE_CHECKING:
    from httpprocessproxy.companions.archive.companion import Archive
    from httpprocessproxy.companions.chains.companion import Chains
    from httpprocessproxy.companions.share.worker.companion import Share
    from httpprocessproxy.frontends.tls.certificates import Identity
    from httpprocessproxy.warm import Preloading, PythonCommand


@dataclass(frozen=True, slots=True)
class PreloadPlan:
    """The Python command to preload for; without one, `why_not` is the reason."""

    command: "PythonCommand | None"
    key: str = ""
    why_not: str = ""

    def open(self, spec: LaunchSpec, tree: ProcessTree, bus: EventBus) -> "Preloading | None":
        """Make the preloader; without a command, say why starts are cold."""
        if self.command is None:
            bus.publish(Notice(text=f"--preload: {self.why_not}; starts are cold"))
            return None
        from httpprocessproxy.warm import Preloading, RecordCache, cache_folder

        record_cache = RecordCache(cache_folder(), self.key)
        return Preloading(self.command, spec, tree, record_cache, bus)


@dataclass(frozen=True, slots=True)
class ServiceSetup:
    """The prepared parts of a service; `preload` is None without --preload.

    `launch_spec` is None for a server that the proxy does not start.
    """

    config: ServiceConfig
    launch_spec: LaunchSpec | None
    scope: Scope
    preload: PreloadPlan | None


@dataclass(frozen=True, slots=True)
class Setup:
    """The prepared parts of a run. In `config`, each `auto` and port 0 is replaced by its value.

    `routes` are those of each service with a route, by its name, with hosts of their own besides
    the configured ones. `dashboard` has the URLs of the dashboard; `chains` is None without
    --forward-chains.
    `registration` is None if the registry of running proxies cannot be written. `notes` are
    lines for the user.
    """

    config: Config
    services: Sequence[ServiceSetup]
    routes: Mapping[str, Sequence[Route]]
    hosts: HostRule
    listeners: Listeners
    dashboard: DashboardPlaces
    companions: Companions
    chains: "Chains | None"
    registration: Registration | None
    notes: Sequence[str]


def prepare(config: Config, registration: Registration | None = None) -> Setup:
    """Check the configuration, and open the listening sockets. Raises UserError."""
    redirected = [literal(path) for path in redirected_output(Path.cwd())]
    scopes = [
        Scope.of(service.watch, Path.cwd(), redirected, service.env_file)
        for service in config.services
    ]
    hosts = HostRule(config.listen.allowed_hosts, config.listen.bind.host)
    identity = _identity(config, hosts) if config.tls.enabled else None
    share = _share(config.share) if config.share.relay is not None else None
    archive = _archive(config.archive) if config.archive.enabled else None
    chains = _chains(config.chains, hosts) if config.chains.enabled else None
    checkout = Checkout.around(Path.cwd())
    worktree = worktree_name(Path.cwd(), checkout)
    values = PlaceholderValues(worktree)
    specs = _launch_specs(config, values)
    services = [
        _service(service, specs.get(service.name), scope)
        for service, scope in zip(config.services, scopes, strict=True)
    ]
    branch = worktree if checkout is not None and checkout.worktree else ""
    routes = with_own_hosts({each.name: each.routes for each in config.services}, branch)
    editor = editor_template(config.browser.editor, os.environ)
    used = [service.config.address for service in services]
    bound = listen_or_move(config.listen.bind, registration, used)
    # Port 0 has become a real port, which browsers send in Origin.
    bind = bound.address
    config = replace(
        config,
        listen=replace(config.listen, bind=bind),
        services=tuple(service.config for service in services),
        browser=replace(config.browser, editor=editor),
    )
    dashboard_sockets = listen(Address(bind.host, 0))
    listeners = Listeners(bound.sockets, dashboard_sockets, identity)
    dashboard = _dashboard(config, dashboard_sockets, identity)
    return Setup(
        *(config, services, routes, hosts, listeners, dashboard),
        Companions(share, archive),
        chains,
        registration,
        bound.notes,
    )


def _launch_specs(config: Config, values: PlaceholderValues) -> Mapping[str, LaunchSpec]:
    """The launch specifications of services that the proxy starts, all with their ports.

    Adds the ports of all services to `values`. Raises UserError.
    """
    specs: dict[str, LaunchSpec] = {}
    for service in config.services:
        if not service.is_external:
            inherited = InheritedSocket(service.address) if service.socket else None
            folder = Path.cwd() / service.folder if service.folder != Path() else None
            context = LaunchContext(folder, service.env, values)
            command = _command(service, debug=config.terminal.debug)
            spec = LaunchSpec(command, service.address, service.env_file, inherited, context)
            specs[service.name] = spec
        if service.has_port:
            values.add(service.name, partial(_address, service, specs.get(service.name)))
    return specs


def _address(service: ServiceConfig, spec: LaunchSpec | None) -> Address:
    return spec.address if spec is not None else service.address


def _service(config: ServiceConfig, spec: LaunchSpec | None, scope: Scope) -> ServiceSetup:
    """Raises UserError."""
    if spec is None:
        return ServiceSetup(config, None, scope, None)
    spec.environment()  # errors of --env-file appear now, and not at the first start
    preload = _preload(config, spec) if config.preload else None
    config = replace(config, address=spec.address, command=spec.words)
    return ServiceSetup(config, spec, scope, preload)


def _dashboard(
    config: Config, sockets: list[socket.socket], identity: "Identity | None"
) -> DashboardPlaces:
    bind = config.listen.bind
    # Browsers resolve the dashboard's host to one of these two addresses on any machine.
    is_reached = bind.is_everywhere or not {"127.0.0.1", "::1"}.isdisjoint(bind.hosts)
    return DashboardPlaces(
        config.scheme,
        "localhost" if bind.is_everywhere else bind.host,
        bind.port,
        sockets[0].getsockname()[1],
        has_host=is_reached and (identity is None or identity.covers(DASHBOARD_HOST)),
    )


def _command(service: ServiceConfig, *, debug: bool) -> tuple[str, ...]:
    """Raises UserError."""
    if service.asgi is None:
        return service.command
    return asgi_command(
        service.asgi,
        service.address,
        is_factory=service.asgi_factory,
        debug=debug,
        inherits=service.socket,
    )


def _preload(service: ServiceConfig, launch_spec: LaunchSpec) -> PreloadPlan:
    if sys.platform != "linux":
        return PreloadPlan(None, why_not="it needs Linux")
    from httpprocessproxy.warm import PythonCommand, interpreter_of, key_of

    environment = launch_spec.environment()
    folder = launch_spec.folder
    command = PythonCommand.of(launch_spec.words, environment, folder)
    if isinstance(command, str):
        return PreloadPlan(None, why_not=command)
    # The port may differ in the next run.
    port = str(launch_spec.address.port)
    words = [word.replace(port, "{port}") for word in launch_spec.command]
    key = key_of(str(interpreter_of(command)), words, folder, environment)
    return PreloadPlan(replace(command, folder=launch_spec.context.folder), key)


def _identity(config: Config, hosts: HostRule) -> "Identity":
    """Raises UserError."""
    with needs("--tls", "tls"):
        from httpprocessproxy.frontends import opening  # noqa: F401 - raises without the extra
        from httpprocessproxy.frontends.tls.certificates import open_identity
    if config.tls.http3:
        with needs("--http3", "http3"):
            from httpprocessproxy.frontends.http3 import server  # noqa: F401
    return open_identity(config, hosts)


def _share(config: ShareConfig) -> "Share":
    """Raises UserError."""
    from httpprocessproxy.companions.share.worker.companion import Share
    from httpprocessproxy.companions.share.worker.options import ShareOptions

    assert config.relay is not None, "--share is given"
    options = ShareOptions(
        config.relay,
        config.name,
        config.token_file,
        secret("share-auth", config.auth, config.auth_file),
        config.allow,
    )
    return Share(options)


def _archive(config: ArchiveConfig) -> "Archive":
    """Raises UserError."""
    from httpprocessproxy.companions.archive.companion import Archive
    from httpprocessproxy.companions.archive.mount_options import ArchiveOptions

    with needs("--archive", "archive"):
        # Their presence is checked without an import, which would take most of a second.
        for name in ("aiosqlite", "alembic", "jwt", "sqlalchemy"):
            if importlib.util.find_spec(name) is None:
                raise ModuleNotFoundError(name=name)
    return Archive(ArchiveOptions(config.allow, config.settings, config.strict))


def _chains(config: ChainsConfig, hosts: HostRule) -> "Chains":
    """Raises UserError."""
    from httpprocessproxy.companions.chains.companion import ChainOptions, Chains

    options = ChainOptions(
        config.allow,
        secret("forward-token", config.token, config.token_file),
        config.headers,
        cookies=config.cookies,
        dry_run=config.dry_run,
    )
    return Chains(options, hosts)
