"""What the user asked for: the command line over the file, checked, as a `Config`."""

import argparse
from pathlib import Path

from httpprocessproxy.config import Config
from httpprocessproxy.config_file import find_file, read_file
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.options import OPTIONS


def resolve(line: argparse.Namespace) -> Config:
    """The configuration that a command line, and the file it goes with, ask for.

    Raises UserError.
    """
    path: Path | None = line.config if "config" in line else find_file()
    said = vars(read_file(path)) if path is not None else {}
    for option in OPTIONS:
        if option.field in line:
            value: object = getattr(line, option.field)
            said[option.field] = tuple(value) if isinstance(value, list) else value
    if "bind" not in said:
        raise UserError("BIND is missing: where browsers connect to (see --help)")
    if "backend" not in said:
        raise UserError("BACKEND is missing: where the server listens (see --help)")
    if not said.get("command"):
        raise UserError("what to run is missing: end the line with --exec COMMAND ...")
    return _checked(Config(**said))


def _checked(config: Config) -> Config:
    bind, backend = config.bind, config.backend
    if bind.port and bind.overlaps(backend):
        raise UserError(f"BIND {bind} is BACKEND's port, too: give the proxy a port of its own")
    return config
