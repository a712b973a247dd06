"""Contradictions between the services of a file; each is an error of one line, with its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.config.address import Address
from httpprocessproxy.config.config_file import ConfigFile, ServiceTable
from httpprocessproxy.config.model import ServiceConfig
from httpprocessproxy.config.service_tables import texts
from httpprocessproxy.core.dependencies import CycleError, start_order
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.http.hosts import HostRule, names_dashboard
from httpprocessproxy.core.identity import is_service_name
from httpprocessproxy.core.nearest import nearest
from httpprocessproxy.core.placeholders import OF_SERVICES, mentioned
from httpprocessproxy.core.routes import Route, normal_path

# The host hpp.localhost is the dashboard's.
_RESERVED: Final = "hpp"


def check_names(file: ConfigFile) -> None:
    """Raises UserError for a name that is invalid, or that two tables have."""
    seen: set[str] = set()
    for table in file.tables:
        if not is_service_name(table.name):
            raise file.source.error(table.keys, "a name consists of a-z, 0-9, _ and -")
        if table.name == _RESERVED:
            raise file.source.error(table.keys, f"{_RESERVED} is the proxy's own: choose another")
        if table.name in seen:
            raise file.source.error(table.keys, "a task and a service need two names")
        seen.add(table.name)


def check_services(
    file: ConfigFile, services: Sequence[ServiceConfig], bind: Address, hosts: HostRule
) -> None:
    """Raises UserError for a contradiction between services, or with the proxy's own options."""
    checks = _Checks(file, {table.name: table for table in file.tables}, services)
    checks.references()
    checks.names("needs")
    checks.names("follow")
    checks.routes(hosts)
    checks.addresses(bind)


@dataclass(frozen=True, slots=True)
class _Checks:
    file: ConfigFile
    tables: Mapping[str, ServiceTable]
    services: Sequence[ServiceConfig]

    def error(self, service: ServiceConfig, field: str, text: str) -> UserError:
        return self.file.source.error(self.tables[service.name].key(field), text)

    def references(self) -> None:
        for service in self.services:
            for field, found in texts(service).items():
                for name in mentioned(found):
                    if why := self._mistake(name):
                        raise self.error(service, field, f"{{{name}}}: {why}")

    def _mistake(self, placeholder: str) -> str:
        """The reason why a name in braces cannot be replaced, or "" if it can, or need not."""
        name, dot, attribute = placeholder.partition(".")
        is_meant = dot and (name in self.tables or attribute in OF_SERVICES)
        if not is_meant:
            return ""
        if name not in self.tables:
            return f"there is no service {name!r}{nearest(name, self.tables)}"
        if attribute not in OF_SERVICES:
            return f"a service has {' and '.join(OF_SERVICES)}{nearest(attribute, OF_SERVICES)}"
        return "a task has no port" if self.tables[name].is_task else ""

    def names(self, field: str) -> None:
        found: dict[str, Sequence[str]] = {}
        for service in self.services:
            names = service.needs if field == "needs" else service.follow
            for name in names:
                if name not in self.tables:
                    near = nearest(name, self.tables)
                    raise self.error(service, field, f"there is no service {name!r}{near}")
            found[service.name] = names
        try:
            start_order(found)
        except CycleError as error:
            first = error.cycle[0]
            service = next(one for one in self.services if one.name == first)
            verb = "needs" if field == "needs" else "follows"
            raise self.error(service, field, str(error).replace("needs", verb)) from error

    def routes(self, hosts: HostRule) -> None:
        seen: dict[Route, str] = {}
        for service in self.services:
            for route in service.routes:
                if why := _unreachable(route, hosts):
                    raise self.error(service, "routes", f"no request reaches {route}: {why}")
                if route in seen:
                    owner = seen[route]
                    text = f"{route} is a route of service {owner!r} as well"
                    raise self.error(service, "routes", text)
                seen[route] = service.name

    def addresses(self, bind: Address) -> None:
        seen: list[tuple[str, Address]] = []
        for service in self.services:
            address = service.address
            if not address.port:
                continue
            if bind.port and bind.overlaps(address):
                raise self.error(service, "address", f"{bind} is also BIND: choose another port")
            for name, other in seen:
                if address.overlaps(other) and not service.is_external:
                    text = f"{address} is also the address of service {name!r}"
                    raise self.error(service, "address", text)
            seen.append((service.name, address))


def _unreachable(route: Route, hosts: HostRule) -> str:
    """The reason why requests never have this route; "" if they may."""
    host = f"any{route.host[1:]}" if route.host.startswith("*.") else route.host
    if names_dashboard(host.encode()):
        return "the host is the dashboard's"
    if host and not hosts.allows(host):
        return f'the host is refused: add allowed-host = ["{route.host}"]'
    if "?" in route.path or "#" in route.path:
        return "a path ends before ? and #"
    if (normal := normal_path(route.path.encode())) != route.path:
        return f"its normal form is {normal}"
    return ""
