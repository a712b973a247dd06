"""The archive beside the proxy: its service under `/_hpp/archive/`, for trusted clients.

The rule: items are fetched like requests of untrusted clients, so that an archive cannot contain
the pages under `/_hpp/`. The service is imported at the first request for it: the import takes
the better part of a second.
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
from httpprocessproxy.companions.fetch_client import FetchOrigin, SiteAddress, read_origin
from httpprocessproxy.config import Config
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.system.listeners import Serving, listen_on_unix, serve_when_wanted
from httpprocessproxy.system.private_folders import lasting_name, private_folder


class Archive:
    """The archive companion; one instance for a run of the proxy."""

    def __init__(self, options: ArchiveOptions) -> None:
        """Raises UserError."""
        self._options = options
        self._allowed = tuple(_origin(text) for text in options.allow)
        self._socket: str | None = None
        if options.file is not None:
            _check(options.file)

    def socket_for(self, target: bytes) -> str | None:
        """The Unix socket that serves a request target; None for a target outside of PREFIX."""
        is_archive = target.startswith(PREFIX.encode() + b"/")
        return self._socket if is_archive else None

    async def run(
        self,
        config: Config,
        hosts: HostRule,
        token: str,
        visits: Path,
        warn: Callable[[str], None],
    ) -> None:
        """Serve until cancelled; while the database is unusable, connections are closed.

        `token` is the token of the admin pages, `visits` the Unix socket of the proxy for
        requests to the site.
        """
        with private_folder() as folder, contextlib.ExitStack() as exits:
            path = folder / "archive"
            listener = exits.enter_context(listen_on_unix(path))
            db_url = f"sqlite:///{path.with_name('tickets.db')}"
            options = MountOptions(
                self._options,
                self._allowed,
                site_of(config, visits),
                config.service.restart.queue_timeout_s,
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
    """The address of the running site, with all names that refer to it and to no other site."""
    bind, scheme = config.listen.bind, config.scheme
    names = [*bind.hosts, *(name for name in config.listen.allowed_hosts if name[:1] not in "*.")]
    if bind.is_loopback or bind.is_everywhere:
        names += ["localhost", "127.0.0.1", "::1"]
    aliases = frozenset(FetchOrigin(scheme, name.lower().strip("[]"), bind.port) for name in names)
    return SiteAddress(FetchOrigin.parse(bind.url_of(scheme)), visits, aliases)


def _import_serving(options: MountOptions) -> Serving:
    from httpprocessproxy.companions.archive.mounting import serving

    return partial(serving, options=options)


def _check(file: Path) -> None:
    """Check the settings at start, not at the first request. Raises UserError."""
    from httpprocessproxy.companions.archive.configuration import settings

    settings({"config": str(file)}, {})


def _origin(text: str) -> FetchOrigin:
    try:
        return read_origin(text)
    except UserError as error:
        raise UserError(f"--archive-allow: {error}") from None
