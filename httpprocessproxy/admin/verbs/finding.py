"""The proxy that a verb is for, and its services.

It is found by its folder in the registry. A request names the run of that proxy, so that no other
one obeys it, should the port have become another's.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from httpprocessproxy.admin.client import (
    ERROR,
    MAX_WAIT_S,
    RUNNING,
    UNSETTLED,
    AdminClient,
    NoProxyError,
    failed_build,
    settled,
)
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.nearest import nearest
from httpprocessproxy.system.registry import ProxyRegistry, RunningProxy

# A start of the program takes less than a second, unless the machine is busy.
_START_TIMEOUT_S: Final = 30.0

_SETTLED: Final = "running,error,stopped,idle"

# A service as the API shows it.
Service = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FoundProxy:
    """A running proxy; one that is named by its address may have no entry in the registry."""

    client: AdminClient
    entry: RunningProxy | None

    def services(self, wait_s: float | None = None) -> Sequence[Service]:
        """Its services, in order; with `wait_s`, once all have settled. Raises NoProxyError."""
        wait_s = None if wait_s is None else min(wait_s, MAX_WAIT_S)
        query = "" if wait_s is None else settled(wait_s, _SETTLED)
        _, content = self.client.call(f"GET /_hpp/services{query}", wait_s or 0)
        found = content.get("services")
        if not isinstance(found, list):
            raise self.client.other_program()
        return found

    def chosen(self, names: Sequence[str]) -> Sequence[Service]:
        """The services of these names, or all. Raises UserError and NoProxyError."""
        services = {str(each["name"]): each for each in self.services()}
        for name in names:
            if name not in services:
                near = nearest(name, services) or f": there are {', '.join(services)}"
                raise UserError(f"no service has the name {name!r}{near}")
        return [services[name] for name in names] if names else list(services.values())


def find_proxy(bind: str | None, *, may_start: bool = False) -> FoundProxy:
    """The proxy at an address, or that of the working directory or of a folder above.

    It answers, unless it `may_start`. Raises UserError, NoProxyError and OSError.
    """
    registry = ProxyRegistry.open()
    entry = registry.around(Path.cwd()) if bind is None else _at(registry, bind)
    if entry is not None and not entry.answers and not may_start:
        entry = registry.started(entry, _START_TIMEOUT_S)
    if entry is not None:
        return found(entry)
    if bind is None:
        raise NoProxyError(f"no proxy runs for {os.getcwd()} or a folder above")
    from httpprocessproxy.config import Address

    return FoundProxy(AdminClient.at(Address.parse(bind)), None)


def found(entry: RunningProxy) -> FoundProxy:
    """The proxy of an entry of the registry."""
    addresses = [(host, port) for host, port in entry.addresses]
    return FoundProxy(AdminClient(entry.bind or entry.folder, addresses, entry.run), entry)


def exit_status(services: Sequence[Service]) -> int:
    """The exit status that sums up the states of services, as that of `--status`."""
    states = {str(each["state"]) for each in services}
    if "error" in states or any(map(failed_build, services)):
        return ERROR
    return UNSETTLED if states & {"loading", "killing"} else RUNNING


def _at(registry: ProxyRegistry, bind: str) -> RunningProxy | None:
    """Raises UserError and OSError."""
    # The package of the configuration takes longer to import than the request.
    from httpprocessproxy.config import Address

    address = Address.parse(bind)
    for entry in registry.proxies():
        if entry.bind and Address.parse(entry.bind).overlaps(address):
            return entry
    return None
