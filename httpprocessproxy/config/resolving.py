"""The effective configuration: the command line merged over the file, and checked."""

import argparse
from pathlib import Path

from httpprocessproxy.config.address import Address
from httpprocessproxy.config.building import below, build
from httpprocessproxy.config.config_file import Values, find_file, read_file
from httpprocessproxy.config.model import AUTO, Config, ServiceConfig
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.core.errors import UserError

_COMMAND, _ASGI, _BACKEND = "service.command", "service.asgi", "service.address"


def resolve(line: argparse.Namespace) -> Config:
    """The configuration of a command line and of its file. Raises UserError."""
    values = _merged(line)
    if _BACKEND not in values:
        if not values.get(_ASGI):
            raise UserError("BACKEND is missing: where the server listens (see --help)")
        values[_BACKEND] = AUTO
    return _checked(configured(values))


def configured(values: Values) -> Config:
    """The configuration of a command line, which has one service."""
    service = build(ServiceConfig, below("service", values))
    others = {path: value for path, value in values.items() if not path.startswith("service.")}
    return build(Config, {**others, "services": (service,)})


def resolve_bind(line: argparse.Namespace) -> Address:
    """The BIND address of a command line and of its file. Raises UserError."""
    bind = _merged(line)["listen.bind"]
    assert isinstance(bind, Address), "its option reads an address"
    return bind


def _merged(line: argparse.Namespace) -> Values:
    """The values that the command line or the file sets, by the paths of their fields."""
    path: Path | None = line.config if "config" in line else find_file()
    values = read_file(path) if path is not None else {}
    values["file"] = path
    given = vars(line)
    for one, other in ((_COMMAND, _ASGI), (_ASGI, _COMMAND)):
        # A command on the line replaces an application of the file, and the reverse.
        if given.get(one):
            values.pop(other, None)
    for option in OPTIONS:
        if option.field in given:
            value: object = given[option.field]
            values[option.field] = tuple(value) if isinstance(value, list) else value
    if "listen.bind" not in values:
        raise UserError("BIND is missing: where browsers connect to (see --help)")
    _imply_tls(given, values)
    return values


def _imply_tls(given: Values, values: Values) -> None:
    """Enable TLS if an option implies it, also against a file; `--no-tls` disables the options.

    `given` are the values of the command line.
    """
    enabled, options = "tls.enabled", ("tls.cert", "tls.key", "tls.http3")
    of_line = any(given.get(option) for option in options)
    if enabled not in values or (of_line and enabled not in given):
        values[enabled] = any(values.get(option) for option in options)
    if not values[enabled]:
        for option in options:
            values.pop(option, None)


def _checked(config: Config) -> Config:
    service, bind = config.service, config.listen.bind
    if service.command and service.asgi:
        raise UserError("--exec and --asgi are two things to run: choose one")
    if not service.command and not service.asgi:
        raise UserError(
            "a server is missing: end the line with --exec COMMAND ..., or add --asgi MODULE:APP"
        )
    if config.tls.key is not None and config.tls.cert is None:
        raise UserError("--tls-key goes with a certificate: add --tls-cert FILE")
    if bind.port and bind.overlaps(service.address):
        raise UserError(f"BIND {bind} is also BACKEND: give the proxy a port of its own")
    return config
