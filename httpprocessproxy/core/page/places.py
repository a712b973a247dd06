"""The URLs of the dashboard, which has an origin of its own, and of the site. No I/O.

Scripts of the site can access all pages of their origin: by `window.open`, by a service worker, and
by the requests that it intercepts. So the dashboard is at `hpp.localhost`, on the site's port;
browsers resolve any name below `localhost` to this machine (RFC 6761 section 6.3). If the site is
reached by an address or another name, the dashboard has a port of its own.
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
    """The addresses of dashboard and site: `port` is the dashboard's, `site_port` the site's.

    `has_host`: `hpp.localhost` can be used, and the certificate, if there is one, covers it.
    """

    scheme: str
    host: str
    site_port: int
    port: int
    has_host: bool

    @property
    def urls(self) -> tuple[str, ...]:
        """The dashboard's URLs to show to the user; the first is for this machine."""
        own_port = self._url(self.host, self.port)
        if not self.has_host:
            return (own_port,)
        return self._url(DASHBOARD_HOST, self.site_port), own_port

    def url_for(self, host: str) -> str:
        """Return the dashboard's URL for a client that has sent this Host field to the site."""
        name, port = self._authority(host)
        if self.has_host and _is_this_machine(name):
            return self._url(DASHBOARD_HOST, port)
        return self._url(name, self.port)

    def site_url(self, host: str) -> str:
        """Return the site's URL for a client that has sent this Host field to the dashboard."""
        name, port = self._authority(host)
        if names_dashboard(host.encode("ascii", "replace")):
            return self._url("localhost", port)
        return self._url(name, self.site_port)

    def route_url(self, host: str, path: str) -> str:
        """Return the site's URL for a route, whose `host` or `path` may be "" for any."""
        return self._url(host or self.host, self.site_port) + (f"{path[1:]}/" if path else "")

    def _authority(self, host: str) -> tuple[str, int]:
        try:
            name, port = parse_authority(host.encode("ascii", "replace"))
        except RequestError:  # an HTTP/1.0 request may lack Host
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
