"""What the user asked for: the command line over the file, checked, as a `Config`."""

import argparse
from pathlib import Path

from httpprocessproxy.config.config_file import find_file, read_file
from httpprocessproxy.config.model import AUTO, Address, Config
from httpprocessproxy.config.options import OPTIONS
from httpprocessproxy.core.errors import UserError


def resolve(line: argparse.Namespace) -> Config:
    """The configuration that a command line, and the file it goes with, ask for.

    Raises UserError.
    """
    said = _said(line)
    if "backend" not in said:
        if not getattr(said, "asgi", None):
            raise UserError("BACKEND is missing: where the server listens (see --help)")
        said.backend = AUTO
    _check_server(said)
    return _checked(Config(**vars(said)))


def resolve_bind(line: argparse.Namespace) -> Address:
    """Where the proxy listens that they speak of. Raises UserError."""
    bind: Address = _said(line).bind
    return bind


def _said(line: argparse.Namespace) -> argparse.Namespace:
    """What is said at all, by the fields of `Config`."""
    path: Path | None = line.config if "config" in line else find_file()
    said = read_file(path) if path is not None else argparse.Namespace()
    said.file = path
    for one, other in (("command", "asgi"), ("asgi", "command")):
        # What is to run in place of another.
        if getattr(line, one, None):
            vars(said).pop(other, None)
    for option in OPTIONS:
        if option.field in line:
            value: object = getattr(line, option.field)
            setattr(said, option.field, tuple(value) if isinstance(value, list) else value)
    if "bind" not in said:
        raise UserError("BIND is missing: where browsers connect to (see --help)")
    _imply_tls(line, said)
    return said


def _check_server(said: argparse.Namespace) -> None:
    """Raise UserError unless there is one thing to run."""
    command, asgi = getattr(said, "command", ()), getattr(said, "asgi", None)
    if command and asgi:
        raise UserError("--exec and --asgi are two things to run: choose one")
    if not command and not asgi:
        raise UserError(
            "what to run is missing: end the line with --exec COMMAND ..., or add --asgi MODULE:APP"
        )


def _imply_tls(line: argparse.Namespace, said: argparse.Namespace) -> None:
    """These imply `--tls`, also where a file is against it; `--no-tls` switches them off."""
    options = ("tls_cert", "tls_key", "http3")
    of_line = any(getattr(line, name, None) for name in options)
    if "tls" not in said or (of_line and "tls" not in line):
        said.tls = any(getattr(said, name, None) for name in options)
    if not said.tls:
        for name in options:
            vars(said).pop(name, None)


def _checked(config: Config) -> Config:
    if config.tls_key is not None and config.tls_cert is None:
        raise UserError("--tls-key goes with a certificate: add --tls-cert FILE")
    bind, backend = config.bind, config.backend
    if bind.port and bind.overlaps(backend):
        raise UserError(f"BIND {bind} is BACKEND's port, too: give the proxy a port of its own")
    return config
