"""The effective configuration: the command line merged over the file, and checked."""

import argparse
from pathlib import Path

from httpprocessproxy.config.config_file import find_file, read_file
from httpprocessproxy.config.model import AUTO, Address, Config
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.core.errors import UserError


def resolve(line: argparse.Namespace) -> Config:
    """The configuration of a command line and of its file. Raises UserError."""
    values = _merged(line)
    if "backend" not in values:
        if not getattr(values, "asgi", None):
            raise UserError("BACKEND is missing: where the server listens (see --help)")
        values.backend = AUTO
    _check_server(values)
    return _checked(Config(**vars(values)))


def resolve_bind(line: argparse.Namespace) -> Address:
    """The BIND address of a command line and of its file. Raises UserError."""
    bind: Address = _merged(line).bind
    return bind


def _merged(line: argparse.Namespace) -> argparse.Namespace:
    """The values that the command line or the file sets, by the fields of `Config`."""
    path: Path | None = line.config if "config" in line else find_file()
    values = read_file(path) if path is not None else argparse.Namespace()
    values.file = path
    for one, other in (("command", "asgi"), ("asgi", "command")):
        # A command on the line replaces an application of the file, and the reverse.
        if getattr(line, one, None):
            vars(values).pop(other, None)
    for option in OPTIONS:
        if option.field in line:
            setattr(values, option.field, getattr(line, option.field))
    if "bind" not in values:
        raise UserError("BIND is missing: where browsers connect to (see --help)")
    _imply_tls(line, values)
    return values


def _check_server(values: argparse.Namespace) -> None:
    """Raise UserError unless there is either a command or an application."""
    command, asgi = getattr(values, "command", ()), getattr(values, "asgi", None)
    if command and asgi:
        raise UserError("--exec and --asgi are two things to run: choose one")
    if not command and not asgi:
        raise UserError(
            "a server is missing: end the line with --exec COMMAND ..., or add --asgi MODULE:APP"
        )


def _imply_tls(line: argparse.Namespace, values: argparse.Namespace) -> None:
    """Set `tls` if an option implies it, also against a file; `--no-tls` disables the options."""
    options = ("tls_cert", "tls_key", "http3")
    of_line = any(getattr(line, name, None) for name in options)
    if "tls" not in values or (of_line and "tls" not in line):
        values.tls = any(getattr(values, name, None) for name in options)
    if not values.tls:
        for name in options:
            vars(values).pop(name, None)


def _checked(config: Config) -> Config:
    if config.tls_key is not None and config.tls_cert is None:
        raise UserError("--tls-key goes with a certificate: add --tls-cert FILE")
    bind, backend = config.bind, config.backend
    if bind.port and bind.overlaps(backend):
        raise UserError(f"BIND {bind} is also BACKEND: give the proxy a port of its own")
    return config
