"""The program's entrance: argv in, exit status out, and one line about what is wrong.

The only print().
"""

import os
import sys
from collections.abc import Sequence

from httpprocessproxy.command_line import read_line
from httpprocessproxy.completion import completion
from httpprocessproxy.config import Config
from httpprocessproxy.config_file import written
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.options import PROGRAM
from httpprocessproxy.process.guard import guarded
from httpprocessproxy.settings import resolve

USAGE_EXIT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    try:
        line = read_line(sys.argv[1:] if argv is None else argv)
        # What is asked for instead of a run needs no configuration, or no more than that.
        if "completion" in line:
            return _show(completion(line.completion))
        config = resolve(line)
        if "print_config" in line:
            return _show(written(config))
    except UserError as error:
        return _complain(error)
    except BrokenPipeError:
        # `--help | head -1`: nobody reads on, and what is left is to be forgotten.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return guarded(lambda: _run(config))


def _run(config: Config) -> int:
    # Imported in the process that needs it: the guard stays small.
    from httpprocessproxy.app import run

    try:
        return run(config)
    except UserError as error:
        return _complain(error)


def _show(text: str) -> int:
    print(text, end="", flush=True)
    return 0


def _complain(error: UserError) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return USAGE_EXIT
