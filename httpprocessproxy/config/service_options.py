"""The keys of `[service.NAME]` and `[task.NAME]`, of which most are options of the proxy as well.

`IN_TABLES` stand in these tables only. `DEFAULTS` also stand at the top of a file, for all
services, like the options of a service in `options.py`. Fields are those of `ServiceConfig`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from httpprocessproxy.config import readers
from httpprocessproxy.config.building import prefixed
from httpprocessproxy.config.forms import (
    Kind,
    Option,
    fields,
    flag,
    number,
    table,
    text,
    values,
)
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.core.routes import Route

IN_TABLES: Final = (
    values("route", "ROUTE", "requests for the service", Route.parse, field="routes"),
    flag("strip", "remove the path of the route from requests"),
    number("address", "ADDRESS", "address of the service", readers.service_address),
    values("needs", "NAME", "services and tasks that have to be ready before the start"),
    values("follow", "NAME", "services whose restart restarts the service"),
)

DEFAULTS: Final = (
    text("dir", "FOLDER", "working directory", Path, field="folder"),
    table("env", "variables to add to the environment"),
    text("ready", "CHECK", "readiness check", readers.readiness, field="readiness"),
    fields(
        "stop", "SIGNAL TIME", "signal to end the service, and time until SIGKILL", readers.ending
    ),
    number(
        "idle",
        "TIME",
        "time without a request after which the service is stopped, until the next one",
        readers.or_off(readers.duration),
        field="idle_s",
    ),
)

# Options of the one service of a command line, which are not defaults of several services.
OF_ONE_SERVICE: Final = frozenset({"backend", "exec", "asgi", "asgi-factory"})

# One watcher serves all services, and a service has an address in place of a BACKEND.
_NOT_IN_TABLES: Final = frozenset({"backend", "watcher"})

# Requests, and the time until a server answers, are not a task's.
_NOT_OF_TASKS: Final = frozenset(
    {"route", "strip", "address", "ready", "ping", "ping-path", "asgi", "asgi-factory", "socket"}
    | {"idle", "queue-timeout", "starting-page", "drain", "refresh"}
)

_PREFIX: Final = "service."


def _at_top(option: Option) -> Option:
    """The option of a service as a default of all services, a field of `Config`."""
    if option.kind is Kind.FIELDS:
        return replace(option, read=lambda text: prefixed("service", option.members(text)))
    return replace(option, field=f"{_PREFIX}{option.field}")


SERVICE_KEYS: Final[Mapping[str, Option]] = {
    option.name: option
    for option in (
        *(
            replace(option, field=option.field.removeprefix(_PREFIX))
            for option in OPTIONS
            if option.field.startswith(_PREFIX) and option.name not in _NOT_IN_TABLES
        ),
        *IN_TABLES,
        *DEFAULTS,
    )
}

TASK_KEYS: Final[Mapping[str, Option]] = {
    name: option for name, option in SERVICE_KEYS.items() if name not in _NOT_OF_TASKS
}

TOP_KEYS: Final[Mapping[str, Option]] = {
    option.name: option
    for option in (
        *OPTIONS,
        *map(_at_top, DEFAULTS),
    )
}

# Other names of keys.
ALIASES: Final = {"watch": "pattern"}
