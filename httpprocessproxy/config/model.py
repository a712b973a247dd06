"""The checked, frozen configuration: one class for each group of options.

Times are in seconds, sizes in bytes. The classes have no slots, so that an attribute of a class, as
`RestartConfig.drain_s`, is the default of its option.
"""

import ipaddress
import shlex
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from httpprocessproxy.config.address import Address
from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.core.identity import DEFAULT_SERVICE
from httpprocessproxy.core.routes import Route

WatcherName = Literal["auto", "watchman", "embedded", "polling"]
ReadinessKind = Literal["http", "tcp", "log", "exec", "notify", "start"]

# An address of a service at any free port, which is chosen at the start.
AUTO = Address("localhost", 0)

# An address of a service that listens nowhere, such as a worker or a task.
NOWHERE = Address("", 0)


# A service


@dataclass(frozen=True)
class WatchConfig:
    """The files whose changes restart a service or refresh browsers.

    Globs are relative to the working directory of the proxy. Without `restarts`, no file restarts
    the service.
    """

    restarts: bool = True
    patterns: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    default_excludes: bool = True
    refresh: tuple[str, ...] = ()
    ignore_unchanged: bool = False
    watcher: WatcherName = "auto"
    settle_s: float = 0.002


@dataclass(frozen=True)
class Readiness:
    """The readiness check.

    http    any response to a request for `path`
    tcp     a connection to the port
    log     a line of the output that contains `text`
    exec    `command` exits with 0
    notify  READY=1 on the socket in NOTIFY_SOCKET, as sd_notify(3) sends it
    start   none: the process has started
    """

    kind: ReadinessKind = "http"
    path: str = "/"
    text: str = ""
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The form of the key `ready`, see `readers.readiness`."""
        details = {"http": self.path, "log": self.text, "exec": shlex.join(self.command)}
        return f"{self.kind}:{details[self.kind]}" if self.kind in details else self.kind


@dataclass(frozen=True)
class RestartConfig:
    """Time limits of a restart, and the end of the process before it."""

    start_timeout_s: float = 120.0
    queue_timeout_s: float = 60.0
    starting_page_s: float | None = 2.0
    drain_s: float = 1.0
    kill_signal: signal.Signals = signal.SIGKILL
    kill_timeout_s: float = 5.0


@dataclass(frozen=True)
class ServiceConfig:
    """A supervised program: its address, and either `command` or `asgi`, an application.

    routes    the requests for it; without any, it gets none
    strip     remove the path of the route from the targets of requests
    folder    its working directory, relative to that of the proxy
    env       variables to add to its environment, which win over those of `env_file`
    needs     services that have to run, and tasks that have to be done, before it starts
    follow    services whose restart restarts it
    before    a command that has to succeed before a changed file restarts it
    idle_s    the time without a request after which it is stopped, until the next one
    is_task   it is done when it exits with 0, and is then ready for those that need it

    Without `command` and `asgi`, the server at the address is not the proxy's. A program that
    listens nowhere has the address NOWHERE. In `command`, `before`, `env` and the command of
    `readiness`, {port}, {NAME.port}, {NAME.url} and {worktree} are replaced at the start.
    """

    address: Address
    command: tuple[str, ...] = ()
    asgi: str | None = None
    asgi_factory: bool = False
    env_file: Path | None = None
    preload: bool = False
    socket: bool = False
    watch: WatchConfig = WatchConfig()
    readiness: Readiness = Readiness()
    restart: RestartConfig = RestartConfig()
    name: str = DEFAULT_SERVICE
    routes: tuple[Route, ...] = (Route(),)
    strip: bool = False
    folder: Path = Path()
    env: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    idle_s: float | None = None
    is_task: bool = False

    @property
    def is_external(self) -> bool:
        """Whether the proxy only forwards requests to the server, and does not start it."""
        return not self.command and self.asgi is None

    @property
    def has_port(self) -> bool:
        return self.address != NOWHERE


# The proxy


@dataclass(frozen=True)
class ListenConfig:
    """The proxy's own address, and the clients that may use it."""

    bind: Address
    allowed_hosts: tuple[str, ...] = ()
    forwarded_allow_ips: tuple[Network, ...] = (
        ipaddress.IPv4Network("127.0.0.0/8"),
        ipaddress.IPv6Network("::1/128"),
    )


@dataclass(frozen=True)
class TlsConfig:
    """HTTPS and HTTP/3."""

    enabled: bool = False
    cert: Path | None = None
    key: Path | None = None
    http3: bool = False
    alt_svc_port: int | None = None
    alt_svc_ma_s: float = 3600.0


@dataclass(frozen=True)
class BrowserConfig:
    """Changes to responses for browsers, and reloads."""

    inject: bool = True
    cache_control: bool = True
    rewrite_redirects: bool = True
    editor: str = ""
    console: bool = False
    open: bool = False
    livereload_port: int = 35729


@dataclass(frozen=True)
class TerminalConfig:
    """The lines that the proxy prints."""

    log_requests: bool = False
    json_logs: bool = False
    quiet: bool = False
    debug: bool = False


@dataclass(frozen=True)
class ShareConfig:
    """The public address of the site; without a `relay`, it has none."""

    relay: str | None = None
    name: str = ""
    token_file: Path | None = None
    auth: str = ""
    auth_file: Path | None = None
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArchiveConfig:
    """ZIP files of the site's pages."""

    enabled: bool = False
    allow: tuple[str, ...] = ()
    settings: Path | None = None
    strict: bool = False


@dataclass(frozen=True)
class ChainsConfig:
    """Responses that are forwarded along chains of requests."""

    enabled: bool = False
    allow: tuple[str, ...] = ()
    token: str = ""
    token_file: Path | None = None
    headers: tuple[str, ...] = ()
    cookies: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Config:
    """The value of every option."""

    listen: ListenConfig
    services: tuple[ServiceConfig, ...]
    tls: TlsConfig = TlsConfig()
    browser: BrowserConfig = BrowserConfig()
    terminal: TerminalConfig = TerminalConfig()
    share: ShareConfig = ShareConfig()
    archive: ArchiveConfig = ArchiveConfig()
    chains: ChainsConfig = ChainsConfig()
    # The configuration file that was read, if any: the only member without an option.
    file: Path | None = field(default=None, compare=False)

    @property
    def service(self) -> ServiceConfig:
        """The first service with a route, else the first one; a command line has exactly one."""
        return next((one for one in self.services if one.routes), self.services[0])

    @property
    def scheme(self) -> str:
        """The scheme of the proxy's URLs."""
        return "https" if self.tls.enabled else "http"

    @property
    def url(self) -> str:
        """The URL for a browser on this machine."""
        return self.listen.bind.url_of(self.scheme)
