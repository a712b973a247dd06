"""The services of a file: its tables merged over the defaults, and what follows from all of them.

A service has a port if it has a route, or if a text of its own or of another one mentions it. An
error names the line of its key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from httpprocessproxy.config.building import build
from httpprocessproxy.config.config_file import ConfigFile, ServiceTable, Values, layered
from httpprocessproxy.config.model import AUTO, NOWHERE, Readiness, ServiceConfig
from httpprocessproxy.config.service_options import SERVICE_KEYS, TASK_KEYS
from httpprocessproxy.core.dependencies import needed_by
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.nearest import nearest
from httpprocessproxy.core.placeholders import OWN_PORT, mentioned

# Checks that connect to a port.
_OF_A_PORT: Final = ("http", "tcp")


def read_services(file: ConfigFile, defaults: Mapping[str, object]) -> tuple[ServiceConfig, ...]:
    """The services and tasks of a file, in its order, tasks last.

    `defaults` are values by their fields in `ServiceConfig`. Raises UserError.
    """
    services = [_service(file, table, defaults) for table in file.tables]
    named = {name for each in services for name, _ in references(each)}
    return tuple(
        _with_port(service, is_needed=service.name in named or _has_own_port(service, table))
        for service, table in zip(services, file.tables, strict=True)
    )


def references(service: ServiceConfig) -> list[tuple[str, str]]:
    """The placeholders of other services in the texts of one: their names and attributes."""
    found = (name.partition(".") for text in texts(service).values() for name in mentioned(text))
    return [(name, attribute) for name, dot, attribute in found if dot]


def texts(service: ServiceConfig) -> Mapping[str, Sequence[str]]:
    """The texts that may have placeholders, by their fields."""
    return {
        "command": service.command,
        "before": service.before,
        "env": [value for _, value in service.env],
        "readiness": service.readiness.command,
    }


def chosen(services: Sequence[ServiceConfig], names: Iterable[str]) -> tuple[ServiceConfig, ...]:
    """The named services, and all that they need or mention.

    Raises UserError for an unknown name.
    """
    known = {service.name: service for service in services}
    for name in names:
        if name not in known:
            raise UserError(f"there is no service {name!r}{nearest(name, known)}")
    needs = {
        service.name: [*service.needs, *(name for name, _ in references(service) if name in known)]
        for service in services
    }
    found = needed_by(list(names), needs)
    return tuple(service for service in services if service.name in found)


def _service(
    file: ConfigFile, table: ServiceTable, defaults: Mapping[str, object]
) -> ServiceConfig:
    """A service of which it is not decided yet whether it has a port."""
    values = _merged(table, defaults)
    values["watch.restarts"] = bool(values.get("watch.patterns"))
    if not values.get("routes") and not any(_is_of_readiness(field) for field in values):
        # A program without a route may speak any protocol.
        values["readiness"] = Readiness("tcp")
    service = build(
        ServiceConfig,
        {
            "address": AUTO,
            "routes": (),
            **values,
            "name": table.name,
            "is_task": table.is_task,
        },
    )
    _check_program(file, table, service)
    return service


def _merged(table: ServiceTable, defaults: Mapping[str, object]) -> Values:
    """The values of a table over the defaults that apply to it."""
    keys = TASK_KEYS if table.is_task else SERVICE_KEYS
    # One watcher serves all services.
    fields = {"watch.watcher", *(row.field for row in keys.values())}
    values = table.values
    if not values.get("routes") or not (values.get("command") or values.get("asgi")):
        fields -= {"idle_s"}
    if table.is_task:
        # A save migrates a database only if the task itself names the file.
        fields -= {"watch.patterns"}
    applied = {field: value for field, value in defaults.items() if field in fields}
    # Variables are joined, and those of the table win.
    env: dict[str, str] = {}
    for each in (applied, values):
        pairs = each.get("env", ())
        assert isinstance(pairs, tuple), "its option reads pairs"
        env.update(pairs)
    return {**layered(applied, values), "env": tuple(env.items())}


def _check_program(file: ConfigFile, table: ServiceTable, service: ServiceConfig) -> None:
    """Raises UserError unless there is exactly one thing to run, or a server's address."""
    values, source = table.values, file.source
    if service.command and service.asgi is not None:
        raise source.error(table.key("asgi"), "exec and asgi are two things to run: keep one")
    if "command" in values and not service.command:
        raise source.error(table.key("command"), "the command is empty")
    if service.is_external and service.address == AUTO:
        other = "" if table.is_task else ", or the address of a server that you start yourself"
        raise source.error(table.keys, f"there is nothing to run: add exec{other}")
    if service.routes and not service.has_port:
        raise source.error(table.key("address"), "a service with a route has an address")
    if service.idle_s is not None and (service.is_external or not service.routes):
        why = "the proxy does not start it" if service.is_external else "no request starts it again"
        raise source.error(table.key("idle_s"), f"{why}: leave idle out")
    if not service.folder.is_dir():
        raise source.error(table.key("folder"), f"there is no folder {str(service.folder)!r}")


def _has_own_port(service: ServiceConfig, table: ServiceTable) -> bool:
    """Whether the keys of a service itself say that it has a port."""
    has_own_check = any(_is_of_readiness(field) for field in table.values)
    return (
        bool(service.routes or service.asgi or service.socket or "address" in table.values)
        or any(OWN_PORT in mentioned(found) for found in texts(service).values())
        or (has_own_check and service.readiness.kind in _OF_A_PORT)
    )


def _is_of_readiness(field: str) -> bool:
    return field.partition(".")[0] == "readiness"


def _with_port(service: ServiceConfig, *, is_needed: bool) -> ServiceConfig:
    """The service with its address, and a readiness check that is possible there."""
    if service.address == AUTO and not is_needed:
        service = replace(service, address=NOWHERE)
    if service.is_task or (service.readiness.kind in _OF_A_PORT and not service.has_port):
        return replace(service, readiness=Readiness("start"))
    return service
