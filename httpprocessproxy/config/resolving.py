"""The effective configuration: the command line merged over the file, and checked.

Paths and globs are relative to the folder of the file, which becomes the working directory.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from httpprocessproxy.config.address import Address
from httpprocessproxy.config.building import below, build
from httpprocessproxy.config.config_file import (
    OWN,
    PROCFILE,
    ConfigFile,
    Values,
    find_file,
    layered,
    read_file,
)
from httpprocessproxy.config.model import AUTO, Config, ServiceConfig
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.identity import DEFAULT_SERVICE, is_service_name

_COMMAND, _ASGI, _BACKEND, _BIND = (
    *("service.command", "service.asgi", "service.address"),
    "listen.bind",
)

# The address of the proxy for several services: each of them has a port of its own.
DEFAULT_BIND: Final = Address("localhost", 8000)


def resolve(line: argparse.Namespace) -> Config:
    """The configuration of a command line and of its file. Raises UserError."""
    file = _enter_file(line)
    values = _merged(line, file)
    if file is not None and file.tables:
        return _of_several(line, file, values)
    for name in _words(line)[1]:
        if name != DEFAULT_SERVICE:
            raise UserError(f"there is no service {name!r}: the file has no [service.NAME]")
    _check_bind(values)
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
    file = _enter_file(line)
    values = _merged(line, file)
    if file is not None and file.tables:
        values.setdefault(_BIND, DEFAULT_BIND)
    _check_bind(values)
    bind = values[_BIND]
    assert isinstance(bind, Address), "its option reads an address"
    return bind


def _of_several(line: argparse.Namespace, file: ConfigFile, values: Values) -> Config:
    for option in (_COMMAND, _ASGI, _BACKEND):
        if option in line:
            raise UserError(f"{file.path} has services: leave BACKEND, --exec and --asgi out")
    # Imported lazily: a command line of one service does not need it.
    from httpprocessproxy.config.several import configure_several

    config = configure_several(file, {_BIND: DEFAULT_BIND, **values}, _words(line)[1])
    _check_tls(config)
    return config


def _words(line: argparse.Namespace) -> tuple[list[Path], list[str]]:
    """The words behind the verb `up`: files, and names of services."""
    words: tuple[str, ...] = getattr(line, "what", ())
    return (
        [Path(word) for word in words if not is_service_name(word)],
        [word for word in words if is_service_name(word)],
    )


def _enter_file(line: argparse.Namespace) -> ConfigFile | None:
    """Read the file of a command line, if any, and change to its folder."""
    files = _words(line)[0]
    if len(files) > 1:
        raise UserError(f"{files[0]} and {files[1]} are two files: name one")
    # A command on the line is a run of its own, in the working directory.
    is_of_one = _COMMAND in line or _ASGI in line
    path: Path | None
    if files:
        path = files[0]
    elif "config" in line:
        path = line.config
    else:
        path = find_file(above=not is_of_one)
    if path is None:
        if "what" in line:
            raise UserError(_no_file())
        return None
    file = _read_procfile(path) if files and path.suffix != OWN.suffix else read_file(path)
    if file.tables or (path.parent != Path() and "config" not in line):
        os.chdir(path.parent)
        file = replace(file, source=replace(file.source, path=Path(path.name)))
    return file


def _read_procfile(path: Path) -> ConfigFile:
    # Imported lazily, because it is read rarely.
    from httpprocessproxy.config.procfile import read_procfile

    return read_procfile(path)


def _no_file() -> str:
    if PROCFILE.exists():
        return f"to run it, write: hpp up {PROCFILE}"
    return f"there is no {OWN} here: write one, or name a file"


def _merged(line: argparse.Namespace, file: ConfigFile | None) -> Values:
    """The values that the command line or the file sets, by the paths of their fields."""
    values = {**file.values} if file is not None else {}
    values["file"] = file.path if file is not None else None
    given = vars(line)
    for one, other in ((_COMMAND, _ASGI), (_ASGI, _COMMAND)):
        # A command on the line replaces an application of the file, and the reverse.
        if given.get(one):
            values.pop(other, None)
    set_by_line: Values = {}
    for option in OPTIONS:
        if option.field in given:
            value: object = given[option.field]
            set_by_line[option.field] = tuple(value) if isinstance(value, list) else value
    values = layered(values, set_by_line)
    _imply_tls(given, values)
    return values


def _check_bind(values: Values) -> None:
    if _BIND not in values:
        raise UserError("BIND is missing: where browsers connect to (see --help)")


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
    _check_tls(config)
    if bind.port and bind.overlaps(service.address):
        raise UserError(f"BIND {bind} is also BACKEND: give the proxy a port of its own")
    return config


def _check_tls(config: Config) -> None:
    if config.tls.key is not None and config.tls.cert is None:
        raise UserError("--tls-key goes with a certificate: add --tls-cert FILE")
