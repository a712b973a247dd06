"""What the program is asked to be. Times are in seconds, sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from httpprocessproxy.archive.fetching import Limits
from httpprocessproxy.archive.service.opening import Purpose
from httpprocessproxy.archive.service.rules import Rules
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.outgoing import Origin
from httpprocessproxy.userfolders import data_folder

_RULES: Final = Rules()
_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key of `keys.py`, by its field."""

    host: str = "0.0.0.0"
    port: int = 8000
    debug: bool = False
    log_level: str = "INFO"
    db_url: str = ""
    db_extras: Mapping[str, object] = field(default_factory=dict)
    allowed: tuple[Origin, ...] = ()
    cors_origins: tuple[str, ...] = ("*",)
    jwt_algorithm: str = _RULES.jwt_algorithm
    no_queue: bool = _RULES.no_queue
    simultaneous: int = _RULES.simultaneous
    strict: bool = _RULES.strict
    ticket_ttl_s: float = _RULES.ticket_ttl_s
    wait_s: float = _RULES.wait_s
    stall_s: float = _RULES.stall_s
    max_items: int = _RULES.max_items
    max_json_bytes: int = _RULES.max_json_bytes
    downloads_per_client: int = _RULES.downloads_per_client
    item_bytes: int = _LIMITS.item_bytes
    total_bytes: int = _LIMITS.total_bytes
    item_s: float = _LIMITS.item_s
    total_s: float = _LIMITS.total_s
    idle_s: float = _LIMITS.idle_s
    connect_s: float = _LIMITS.connect_s

    @property
    def purpose(self) -> Purpose:
        """The service of these settings."""
        return Purpose(
            self.database, rules=self._rules, allowed=self.allowed, db_extras=self.db_extras
        )

    @property
    def database(self) -> str:
        """The URL of the database. Raises UserError."""
        return self.db_url or default_db_url()

    @property
    def _rules(self) -> Rules:
        return Rules(
            no_queue=self.no_queue,
            simultaneous=self.simultaneous,
            wait_s=self.wait_s,
            ticket_ttl_s=self.ticket_ttl_s,
            max_items=self.max_items,
            max_json_bytes=self.max_json_bytes,
            downloads_per_client=self.downloads_per_client,
            stall_s=self.stall_s,
            strict=self.strict,
            jwt_algorithm=self.jwt_algorithm,
            cors_origins=self.cors_origins,
            limits=Limits(
                item_bytes=self.item_bytes,
                total_bytes=self.total_bytes,
                item_s=self.item_s,
                total_s=self.total_s,
                idle_s=self.idle_s,
                connect_s=self.connect_s,
            ),
        )


def default_db_url() -> str:
    """A file of this user's. Raises UserError."""
    try:
        return f"sqlite:///{data_folder() / 'archive.db'}"
    except RuntimeError:
        raise UserError("this user has no home for a database: set DB_URL") from None
