"""The effective configuration as a file (`--print-config`), which reads back as the same one."""

from collections.abc import Iterable
from operator import attrgetter

from httpprocessproxy.config.config_file import OWN, PYPROJECT, TABLE
from httpprocessproxy.config.forms import Kind, Plain
from httpprocessproxy.config.model import Config, ServiceConfig
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.config.service_options import (
    ALIASES,
    DEFAULTS,
    IN_TABLES,
    SERVICE_KEYS,
    TASK_KEYS,
)
from httpprocessproxy.core.errors import UserError

_NAMES = {name: alias for alias, name in ALIASES.items()}


def written(config: Config) -> str:
    """A file with all effective values, defaults included. Raises UserError for invalid text."""
    # Imported lazily: a run of the proxy does not need it.
    import tomli_w

    content = _of_one(config) if _is_of_one(config) else _of_several(config)
    text = f"# {OWN}, or {TABLE} in {PYPROJECT}\n{tomli_w.dumps(content)}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError("a value that is not UTF-8 cannot be written to a file") from error
    return text


def _is_of_one(config: Config) -> bool:
    """Whether the configuration is that of one service without a table of its own."""
    service = config.service
    return len(config.services) == 1 and _same(
        service,
        ServiceConfig(service.address),
        ["name", "is_task", "watch.restarts", *(row.field for row in IN_TABLES)],
    )


def _of_one(config: Config) -> dict[str, Plain]:
    content = {row.name: row.plain(attrgetter(row.field)(config)) for row in OPTIONS}
    plain = ServiceConfig(config.service.address)
    for row in DEFAULTS:
        if row.kind is not Kind.FIELDS and not _same(config.service, plain, [row.field]):
            content[row.name] = row.plain(attrgetter(row.field)(config.service))
    if "ready" in content:
        del content["ping"], content["ping-path"]
    return content


def _of_several(config: Config) -> dict[str, Plain]:
    content: dict[str, Plain] = {
        row.name: row.plain(attrgetter(row.field)(config))
        for row in OPTIONS
        if not row.field.startswith("service.") or row.name not in SERVICE_KEYS
    }
    del content["backend"]
    for kind, is_task in (("task", True), ("service", False)):
        found = [one for one in config.services if one.is_task is is_task]
        if found:
            content[kind] = {one.name: _table(one) for one in found}
    return content


def _table(service: ServiceConfig) -> Plain:
    keys = TASK_KEYS if service.is_task else SERVICE_KEYS
    found: dict[str, Plain] = {}
    for name, row in keys.items():
        # The keys of members of `readiness` and `stop` are other forms of keys that are written.
        if row.kind is not Kind.FIELDS and not row.field.startswith("readiness."):
            value = attrgetter(row.field)(service)
            if value is not None or row.read is not str:
                found[_NAMES.get(name, name)] = row.plain(value)
    if not service.command:
        del found["exec"]
    return found


def _same(one: ServiceConfig, other: ServiceConfig, fields: Iterable[str]) -> bool:
    return all(attrgetter(field)(one) == attrgetter(field)(other) for field in fields)
