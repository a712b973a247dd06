"""The options of the archive service that is mounted beside the proxy, under `/_hpp/archive/`.

The proxy imports this module at its start, so it imports no module of the service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.fetch_client import FetchOrigin, SiteAddress
from httpprocessproxy.core.http.hosts import HostRule

PREFIX: Final = "/_hpp/archive"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """The proxy's command-line options as texts. `file` contains settings of the service."""

    allow: Sequence[str] = ()
    file: Path | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class MountOptions:
    """The parameters of the mounted service. `db_url` is a database for this run only.

    `held_s`: the time in seconds for which the proxy may hold a request while the server starts.
    """

    archive: ArchiveOptions
    allowed: Sequence[FetchOrigin]
    site: SiteAddress
    held_s: float
    db_url: str
    hosts: HostRule
    token: str
