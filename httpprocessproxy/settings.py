"""What the user asked for, out of all places that may say so, as a checked `Config`."""

import argparse

from httpprocessproxy.config import Config
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.options import OPTIONS


def resolve(line: argparse.Namespace) -> Config:
    """Make the configuration of a command line. Raises UserError."""
    settings = argparse.Namespace()
    for option in OPTIONS:
        if option.field in line:
            value: object = getattr(line, option.field)
            setattr(settings, option.field, tuple(value) if isinstance(value, list) else value)
    _check_complete(settings)
    config = Config(**vars(settings))
    if config.bind.port and config.bind.overlaps(config.backend):
        raise UserError(
            f"BIND {config.bind} is BACKEND's port, too: give the proxy a port of its own"
        )
    return config


def _check_complete(settings: argparse.Namespace) -> None:
    if "bind" not in settings:
        raise UserError("BIND is missing: where browsers connect to (see --help)")
    if "backend" not in settings:
        raise UserError("BACKEND is missing: where the server listens (see --help)")
    if "command" not in settings:
        raise UserError("what to run is missing: end the line with --exec COMMAND ...")
