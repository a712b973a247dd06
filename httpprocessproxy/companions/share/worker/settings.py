"""The settings of a worker, and the types of its reports. Times are in seconds, sizes in bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from yarl import URL

from httpprocessproxy.companions.share.protocol import HOST, MAX_BODY_BYTES, TOKEN, WORKER_PATH
from httpprocessproxy.companions.share.worker.policy import Allowed, Credentials

Transport = Literal["auto", "poll"]


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings; `name` is a subdomain of the relay's host, or, with a dot, the public host."""

    relay: URL
    name: str
    token: str
    credentials: Credentials | None = None
    allowed: tuple[Allowed, ...] = ()
    # Refuse visits to /_hpp. Beside the proxy False, because the proxy itself restricts them.
    hides_own_pages: bool = True
    transport: Transport = "auto"
    polls: int = 10
    # The concurrent visits on one streaming link; each open WebSocket counts as one.
    max_visits: int = 256
    max_body_bytes: int = MAX_BODY_BYTES
    # For long polling: the relay's default deadline, after which the visitor has got 504.
    deadline_s: float = 60.0

    @property
    def host(self) -> str:
        """The public host."""
        return self.name if "." in self.name else f"{self.name}.{self.relay.host}"

    @property
    def public_url(self) -> str:
        """The URL for visitors: the public host, with the scheme and port of the relay."""
        port = "" if self.relay.is_default_port() else f":{self.relay.port}"
        return f"{self.relay.scheme}://{self.host}{port}/"

    @property
    def call_url(self) -> URL:
        """The URL for worker calls, below the path of the relay's URL."""
        return self.relay.with_path(self.relay.path.rstrip("/") + WORKER_PATH)

    @property
    def call_headers(self) -> dict[str, str]:
        return {HOST: self.host, TOKEN: self.token}


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """The report of a visit that has ended. `status` is 0 if the visitor got no answer."""

    ip: str
    method: str
    url: str
    status: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Reporter:
    """The callbacks for reports: information, warnings, and each visit that has ended."""

    info: Callable[[str], None]
    warn: Callable[[str], None]
    visit_ended: Callable[[VisitRecord], None]


class ShareRefusedError(Exception):
    """The relay refuses this worker permanently; the text is the reason."""
