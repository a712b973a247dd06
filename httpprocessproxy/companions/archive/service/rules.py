"""What a service allows. Times are in seconds, sizes in bytes."""

from dataclasses import dataclass, field

from httpprocessproxy.companions.archive.fetching import Limits


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """The limits of tickets and downloads, and how both are handled."""

    # Whether tickets can be downloaded at once; else they wait for `simultaneous` others.
    no_queue: bool = True
    simultaneous: int = 2
    wait_s: float = 3600.0
    # A ticket that nobody has used for so long is gone.
    ticket_ttl_s: float = 3600.0
    max_items: int = 10_000
    max_json_bytes: int = 8 * 1024 * 1024
    downloads_per_client: int = 16
    # A download whose reader takes nothing for so long is cut.
    stall_s: float = 300.0
    # Whether an archive that lacks an item is cut, where its ticket does not say.
    strict: bool = False
    jwt_algorithm: str = "HS256"
    # Origins whose pages may read our answers; "*" is any.
    cors_origins: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
