"""The settings of http-process-archive. Times are in seconds, sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from httpprocessproxy.companions.archive.service.context import ServiceRules
from httpprocessproxy.companions.archive.service.opening import ServiceOptions
from httpprocessproxy.companions.fetch_client import FetchOrigin
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.user_folders import data_folder


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """The values of all keys of `keys.py`; some are attributes of `rules` or `rules.limits`."""

    host: str = "0.0.0.0"
    port: int = 8000
    debug: bool = False
    log_level: str = "INFO"
    db_url: str = ""
    db_extras: Mapping[str, object] = field(default_factory=dict)
    allowed: tuple[FetchOrigin, ...] = ()
    rules: ServiceRules = field(default_factory=lambda: ServiceRules(cors_origins=("*",)))

    @property
    def service_options(self) -> ServiceOptions:
        """The options of the service. Raises UserError."""
        return ServiceOptions(
            self.database, rules=self.rules, allowed=self.allowed, db_extras=self.db_extras
        )

    @property
    def database(self) -> str:
        """The URL of the database. Raises UserError."""
        return self.db_url or default_db_url()


def default_db_url() -> str:
    """The URL of a SQLite file in the user's data folder. Raises UserError."""
    try:
        return f"sqlite:///{data_folder() / 'archive.db'}"
    except RuntimeError:
        raise UserError("this user has no home folder for a database: set DB_URL") from None
