"""The URLs of the dashboard, which has an origin of its own, and of the site. No I/O.

Scripts of the site's pages can reach all that shares their origin: by `window.open`, by a service
worker, by its view of what others fetch. So the dashboard is at `hpp.localhost`, on the site's
port; browsers take any name below `localhost` for this machine (RFC 6761 section 6.3). For a site
that is reached by an address or another name, it has a port of its own.
"""

from dataclasses import dataclass
from ipaddress import ip_address

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import (
    DASHBOARD_HOST,
    DEFAULT_PORTS,
    names_dashboard,
    parse_authority,
)


@dataclass(frozen=True, slots=True)
class DashboardPlaces:
    """`port` is the dashboard's own one, `site_port` the site's.

    `has_host`: `hpp.localhost` leads here, and the certificate, if there is one, is for it.
    """

    scheme: str
    host: str
    site_port: int
    port: int
    has_host: bool

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs to show to the user; the first is for this machine."""
        own_port = self._url(self.host, self.port)
        if not self.has_host:
            return (own_port,)
        return self._url(DASHBOARD_HOST, self.site_port), own_port

    def url_for(self, host: str) -> str:
        """The dashboard for a client that has reached the site by this Host field."""
        name, port = self._authority(host)
        if self.has_host and _is_this_machine(name):
            return self._url(DASHBOARD_HOST, port)
        return self._url(name, self.port)

    def site_url(self, host: str) -> str:
        """The site for a client that has reached the dashboard by this Host field."""
        name, port = self._authority(host)
        if names_dashboard(host.encode("ascii", "replace")):
            return self._url("localhost", port)
        return self._url(name, self.site_port)

    def _authority(self, host: str) -> tuple[str, int]:
        try:
            name, port = parse_authority(host.encode("ascii", "replace"))
        except RequestError:  # HTTP/1.0 may come without one
            return self.host, self.site_port
        return name, DEFAULT_PORTS[self.scheme] if port is None else port

    def _url(self, name: str, port: int) -> str:
        shown = f"[{name}]" if ":" in name else name
        is_default = port == DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{shown}/" if is_default else f"{self.scheme}://{shown}:{port}/"


def _is_this_machine(name: str) -> bool:
    if name.removesuffix(".") == "localhost" or name.removesuffix(".").endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False
