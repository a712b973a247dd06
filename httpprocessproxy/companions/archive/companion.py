"""The archive beside the proxy: its service under `/_hpp/archive/`, for trusted clients.

The rule: items are fetched as visits from outside are, so that our own pages stay closed to them.
The service is imported when somebody first asks for it: that takes the better part of a second.
"""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from httpprocessproxy.companions.archive.mount_options import (
    PREFIX,
    ArchiveOptions,
    MountOptions,
)
from httpprocessproxy.companions.fetch_client import FetchOrigin, SiteAddress
from httpprocessproxy.config import Config
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.system.listeners import Serving, listen_on_unix, serve_when_wanted
from httpprocessproxy.system.private_folders import lasting_name, private_folder


class Archive:
    """One for a run of the program."""

    def __init__(self, wish: ArchiveOptions) -> None:
        """Raises UserError."""
        self._wish = wish
        self._allowed = tuple(_origin(text) for text in wish.allow)
        self._socket: str | None = None
        if wish.file is not None:
            _check(wish.file)

    def socket_for(self, target: bytes) -> str | None:
        """The Unix socket that serves a target of ours; None if it is none."""
        is_ours = target.startswith(PREFIX.encode() + b"/")
        return self._socket if is_ours else None

    async def run(
        self,
        config: Config,
        hosts: HostRule,
        token: str,
        visits: Path,
        warn: Callable[[str], None],
    ) -> None:
        """Serve until cancelled. Who comes while the database cannot be used is turned away.

        `token` is that of our page about ourselves, `visits` the socket that leads to the site.
        """
        with private_folder() as folder, contextlib.ExitStack() as exits:
            path = folder / "archive"
            listener = exits.enter_context(listen_on_unix(path))
            db_url = f"sqlite:///{path.with_name('tickets.db')}"
            options = MountOptions(
                self._wish,
                self._allowed,
                site_of(config, visits),
                config.queue_timeout_s,
                db_url,
                hosts,
                token,
            )
            self._socket = exits.enter_context(lasting_name(path))
            while True:
                try:
                    await serve_when_wanted(listener, partial(_import_serving, options))
                except UserError as error:
                    warn(f"archive: {error}")
                    listener.accept()[0].close()


def site_of(config: Config, visits: Path) -> SiteAddress:
    """The running site, by all names that surely mean it."""
    bind, scheme = config.bind, config.scheme
    names = [*bind.hosts, *(name for name in config.allowed_hosts if name[:1] not in "*.")]
    if bind.is_loopback or bind.is_everywhere:
        names += ["localhost", "127.0.0.1", "::1"]
    aliases = frozenset(FetchOrigin(scheme, name.lower().strip("[]"), bind.port) for name in names)
    return SiteAddress(FetchOrigin.parse(bind.url_of(scheme)), visits, aliases)


def _import_serving(options: MountOptions) -> Serving:
    from httpprocessproxy.companions.archive.mounting import serving

    return partial(serving, options=options)


def _check(file: Path) -> None:
    """Raise UserError now rather than when somebody asks."""
    from httpprocessproxy.companions.archive.configuration import settings

    settings({"CONFIG": str(file)}, {})


def _origin(text: str) -> FetchOrigin:
    try:
        return FetchOrigin.parse(text)
    except ValueError as error:
        raise UserError(f"--archive-allow: {error}") from None
