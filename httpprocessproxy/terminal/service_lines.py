"""The services of the start lines, when there are several: key, name, URL, address and command."""

import shlex
from collections.abc import Iterator, Mapping, Sequence

from httpprocessproxy.config import Config, ServiceConfig
from httpprocessproxy.core.routes import Route


def service_lines(config: Config, keys: Mapping[str, str]) -> Iterator[str]:
    """One line for each service; `keys` has the key that shows it alone, by its name."""
    length = max(len(service.name) for service in config.services)
    for service in config.services:
        words = [*route_urls(config, service), _program(service)]
        key = f"{keys[service.name]}  " if service.name in keys else ""
        yield f"{key}{service.name:<{length}}  {'  '.join(words)}"


def service_members(config: Config) -> list[Mapping[str, object]]:
    """The services as members of JSON."""
    return [
        {
            "service": service.name,
            "urls": route_urls(config, service),
            "command": service.command,
            "backend": str(service.address) if service.has_port else None,
            "patterns": service.watch.patterns,
            "refresh": service.watch.refresh,
        }
        for service in config.services
    ]


def route_urls(config: Config, service: ServiceConfig) -> Sequence[str]:
    """The URL of each route of the service; a wildcard is part of its host."""
    return [_url(config, route) for route in service.routes]


def _url(config: Config, route: Route) -> str:
    host = route.host and f"{config.scheme}://{route.host}:{config.listen.bind.port}"
    return f"{host or config.url.rstrip('/')}{route.path}/"


def _program(service: ServiceConfig) -> str:
    """The address and the command; an external service has only an address."""
    command = shlex.join(service.command)
    if not service.has_port:
        return command
    return f"{service.address}: {command}" if command else f"{service.address}, not started here"
