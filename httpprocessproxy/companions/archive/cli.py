"""The entry point of http-process-archive: argv in, exit status out, one line for each error."""

import logging
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from httpprocessproxy.companions.archive import PROGRAM
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.event_loop import run_on_new_loop
from httpprocessproxy.system.program import complain, discard_stdout, run_program

if TYPE_CHECKING:
    from httpprocessproxy.companions.archive.settings import ArchiveSettings

REFUSED_EXIT = 1

# The import names of the packages of the extra `archive`.
_EXTRA = ("aiosqlite", "alembic", "asyncpg", "jwt", "sqlalchemy")
# Imported lazily, so their absence is checked at start.
_LAZY = ("alembic", "jwt")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status."""
    return run_program(PROGRAM, _main, argv)


def _main(arguments: Sequence[str]) -> int:
    """Raises UserError."""
    try:
        return _run(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        more = "needs more packages: pip install 'http-process-proxy[archive]'"
        raise UserError(more) from None


def _run(arguments: Sequence[str]) -> int:
    """Raises UserError, and ModuleNotFoundError."""
    if arguments and arguments[0] == "get":
        # Imported alone: it needs none of the extra packages.
        from httpprocessproxy.companions.archive.get import main as get

        return get(arguments[1:])
    for name in _LAZY:
        if find_spec(name) is None:
            raise ModuleNotFoundError(name=name)
    from httpprocessproxy.companions.archive.administration import CommandRefusedError, administer
    from httpprocessproxy.companions.archive.command_line import read_line

    line = read_line(arguments, os.environ)
    if line.command == "server run":
        _serve(line.settings)
        return 0
    try:
        lines = run_on_new_loop(administer(line))
    except CommandRefusedError as error:
        return complain(PROGRAM, str(error), REFUSED_EXIT)
    return _print(lines)


def _print(lines: Sequence[str]) -> int:
    """Write to standard output. A failure is an error: a secret is printed only once."""
    try:
        sys.stdout.write("".join(f"{text}\n" for text in lines))
        sys.stdout.flush()
    except OSError as error:
        discard_stdout()
        return complain(PROGRAM, f"cannot write: {error.strerror}", REFUSED_EXIT)
    return 0


def _serve(settings: "ArchiveSettings") -> None:
    """Raises UserError."""
    from httpprocessproxy.companions.archive.service.server import run

    level = "DEBUG" if settings.debug else settings.log_level
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    run_on_new_loop(run(settings.service_options, settings.host, settings.port))


if __name__ == "__main__":
    sys.exit(main())
