"""The settings of a relay. Times are in seconds, sizes in bytes."""

from dataclasses import dataclass
from pathlib import Path

from httpprocessproxy.companions.share.protocol import MAX_BODY_BYTES, MAX_FIELDS_BYTES
from httpprocessproxy.config import Address
from httpprocessproxy.core.http.ip import Network, is_in


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The options of the command line."""

    bind: Address
    domain: str
    tokens: Path
    # Below the idle limit of nginx and of common load balancers, 60 s.
    hold_s: float = 55.0
    deadline_s: float = 60.0
    grace_s: float = 5.0
    drain_s: float = 5.0
    max_body_bytes: int = MAX_BODY_BYTES
    max_header_bytes: int = MAX_FIELDS_BYTES
    # The sum of all bodies of visits and answers that are in memory.
    max_memory_bytes: int = 512 * 1024 * 1024
    max_queue: int = 100
    max_visits: int = 1000
    trusted_proxies: tuple[Network, ...] = ()
    metrics: Address | None = None
    access_log: bool = True

    def trusts(self, ip: str) -> bool:
        """Whether a peer is a trusted proxy, whose forwarding fields are accepted."""
        return is_in(ip, self.trusted_proxies)
