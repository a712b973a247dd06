"""What a worker is asked to be. Times are in seconds, sizes in bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from yarl import URL

from httpprocessproxy.companions.share.protocol import HOST, MAX_BODY_BYTES, TOKEN, WORKER_PATH
from httpprocessproxy.companions.share.worker.policy import Allowed, Credentials

Transport = Literal["auto", "poll"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`name` is a subdomain of the relay's host, or, with a dot in it, the public host itself."""

    relay: URL
    name: str
    token: str
    credentials: Credentials | None = None
    allowed: tuple[Allowed, ...] = ()
    # Our own pages are not for visitors, where the core does not see to that itself.
    hides_own_pages: bool = True
    transport: Transport = "auto"
    polls: int = 10
    # At once, over one link: each open WebSocket is one.
    max_visits: int = 256
    max_body_bytes: int = MAX_BODY_BYTES
    # By long polling: the relay's own, which then has told the visitor.
    deadline_s: float = 60.0

    @property
    def host(self) -> str:
        """The public host."""
        return self.name if "." in self.name else f"{self.name}.{self.relay.host}"

    @property
    def public_url(self) -> str:
        """Where visitors go: to the relay, as we reach it."""
        port = "" if self.relay.is_default_port() else f":{self.relay.port}"
        return f"{self.relay.scheme}://{self.host}{port}/"

    @property
    def call_url(self) -> URL:
        """Where workers call: below whatever path the relay has been given."""
        return self.relay.with_path(self.relay.path.rstrip("/") + WORKER_PATH)

    @property
    def call_headers(self) -> dict[str, str]:
        return {HOST: self.host, TOKEN: self.token}


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """A visit that is over, for whoever shows it. `status` is 0 if the visitor got no answer."""

    ip: str
    method: str
    url: str
    status: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who hears of it: what is as it should be, what is not, and each visit."""

    say: Callable[[str], None]
    warn: Callable[[str], None]
    visited: Callable[[VisitRecord], None]


class ShareRefusedError(Exception):
    """The relay does not take us, and will not do so later; the text says why."""
