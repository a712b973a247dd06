"""Routes: the service of a request, by its host and the path of its target. No I/O.

The route with the most specific host wins, then the one with the longest path. Paths are compared
at `/` boundaries, after normalization (RFC 3986 section 6.2.2: unreserved characters are decoded,
dot segments are removed), so that a path cannot reach a service under another spelling.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.core.errors import UserError

_HOST: Final = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_PATH: Final = re.compile(r"(?:/[!-)+-\[\]-~]*)?")
_WRITTEN: Final = "write /PATH/**, HOST or HOST/PATH/**"
_ENCODED: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
)

# The path below which the proxy itself answers, on every host.
OWN_PATH: Final = "/_hpp"

# The index of a request outside all routes.
NO_ROUTE: Final = -1

# A browser uses a few hosts; this bounds the memory that a hostile client can fill.
MAX_HOSTS: Final = 256


@dataclass(frozen=True, slots=True)
class Route:
    """The requests for one service.

    `host` is a name in lower case, `*.NAME` for its subdomains, or "" for any; `path` is a prefix
    without a slash at its end, "" for all paths.
    """

    host: str = ""
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "Route":
        """Parse `/PATH/**`, `/PATH`, `HOST`, `*.HOST` or `HOST/PATH/**`. Raises UserError."""
        host, slash, rest = text.partition("/")
        path = (slash + rest).removesuffix("**").rstrip("/")
        host = host.lower()
        if not text or (host and not _HOST.fullmatch(host)) or not _PATH.fullmatch(path):
            raise UserError(f"not a route: {text[:100]!r} ({_WRITTEN})")
        if path == OWN_PATH or path.startswith(OWN_PATH + "/"):
            raise UserError(f"route {text!r}: {OWN_PATH}/ belongs to the proxy on every host")
        return cls(host, path)

    def matches_host(self, host: str) -> bool:
        """Whether requests to a host, in lower case, may have this route."""
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return not self.host or host == self.host

    @property
    def rank(self) -> tuple[int, int, int]:
        """The order of routes, the most specific one first."""
        kind = 2 if not self.host else 1 if self.host.startswith("*.") else 0
        return kind, -len(self.host), -len(self.path)

    def __str__(self) -> str:
        return f"{self.host}{self.path}/**"


class RouteTable:
    """The routes of all services."""

    def __init__(self, routes: Mapping[str, Iterable[Route]]) -> None:
        """`routes` are those of each service, by its name; no two of them are equal."""
        self._ranked = sorted(
            ((route, name) for name, of_service in routes.items() for route in of_service),
            key=lambda pair: pair[0].rank,
        )
        self._of_hosts: dict[bytes, _HostRoutes] = {}

    @property
    def only(self) -> str | None:
        """The service of every request, or None if that depends on the request."""
        return self._ranked[0][1] if [route for route, _ in self._ranked] == [Route()] else None

    def find(self, host: bytes, target: bytes) -> tuple[str, Route] | None:
        """The service of a request, and the route that led there; None without one."""
        index = self.index(host, target)
        return None if index == NO_ROUTE else self._ranked[index][::-1]

    def index(self, host: bytes, target: bytes) -> int:
        """The index in `ranked` of the route of a request, or NO_ROUTE.

        `host` is the value of Host, which may have a port; `target` is a path, with or without a
        query, or `*`.
        """
        of_host = self._of_hosts.get(host) or self._learn(host)
        # `in` takes five times as long for a substring, and a fifth for a byte.
        if 0x25 in target or target.find(b"/.") >= 0:  # 0x25: a percent sign
            target = normal_path(target).encode("latin-1")
        found = of_host.match(target)
        assert found is not None, "the last alternative matches anything"
        return of_host.indices[found.lastindex or 0]

    def _learn(self, host: bytes) -> "_HostRoutes":
        name = _name(host)
        ranked = enumerate(self._ranked)
        found = _HostRoutes([(i, route) for i, (route, _) in ranked if route.matches_host(name)])
        if len(self._of_hosts) >= MAX_HOSTS:
            self._of_hosts.clear()
        self._of_hosts[host] = found
        return found

    def services_at(self, host: bytes) -> frozenset[str]:
        """The services that may get requests to a host, the value of Host."""
        name = _name(host)
        services = set()
        for route, service in self._ranked:
            if route.matches_host(name):
                services.add(service)
                if not route.path:
                    break  # it gets all requests that the routes before it do not match
        return frozenset(services)

    @property
    def ranked(self) -> Sequence[tuple[Route, str]]:
        """The routes with the names of their services, the most specific one first."""
        return self._ranked


class _HostRoutes:
    """The routes of one host: `match` finds that of a target, by the number of its group.

    One regular expression for all of them takes a third of the time of a loop. Groups count from 1;
    a target without a route matches outside all groups.
    """

    __slots__ = ("indices", "match")

    def __init__(self, routes: Sequence[tuple[int, Route]]) -> None:
        prefixes = (re.escape(route.path.encode()) for _, route in routes)
        groups = (b"(%b)(?=[/?]|\\Z)" % prefix if prefix else b"()" for prefix in prefixes)
        self.match = re.compile(b"|".join([*groups, b""])).match
        self.indices = [NO_ROUTE, *(index for index, _ in routes)]


def without_prefix(target: bytes, prefix: bytes) -> bytes:
    """Remove the path of its route, `prefix`, from a target: `/api/x?y` -> `/x?y`."""
    before, mark, query = target.partition(b"?")
    rest = normal_path(before).encode("latin-1")[len(prefix) :]
    return b"%b%b%b" % (rest if rest.startswith(b"/") else b"/" + rest, mark, query)


def with_own_hosts(
    routes: Mapping[str, Sequence[Route]], branch: str = ""
) -> Mapping[str, Sequence[Route]]:
    """The routes of all services that have any, with hosts of their own: NAME.localhost.

    In a work tree of git, `branch` is a label for BRANCH.NAME.localhost besides. A configured route
    wins; one service that has all requests needs no host.
    """
    routed = {name: tuple(found) for name, found in routes.items() if found}
    taken = {route for found in routed.values() for route in found}
    if taken == {Route()}:
        return routed
    prefixes = ("", f"{branch}.") if branch else ("",)
    return {
        name: (
            *found,
            *(
                own
                for prefix in prefixes
                if (own := Route(f"{prefix}{name}.localhost")) not in taken
            ),
        )
        for name, found in routed.items()
    }


def normal_path(target: bytes) -> str:
    """The path of a target, without its query, in normal form (RFC 3986 section 6.2.2)."""
    path = target.partition(b"?")[0]
    if b"%" in path:
        path = _ENCODED.sub(_decoded, path)
    text = path.decode("latin-1")
    if "/." not in text:
        return text
    kept: list[str] = []
    segments = text.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _decoded(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return bytes((byte,)) if byte in _UNRESERVED else match[0]


def _name(host: bytes) -> str:
    """The name in a value of Host, in lower case, without a port and a final dot."""
    text = host.decode("latin-1").lower()
    if not text.startswith("["):
        text = text.partition(":")[0]
    return text.removesuffix(".")
