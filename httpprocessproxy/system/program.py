"""The entry point of a program: arguments in, exit status out, one line for each error."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import printable

USAGE_EXIT: Final = 2
INTERRUPTED_EXIT: Final = 128 + signal.SIGINT


def run_program(name: str, main: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> int:
    """Run `main` with the arguments, and return its exit status; a UserError is one line and 2."""
    try:
        try:
            return main(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except UserError as error:
        return complain(name, str(error))
    except BrokenPipeError:
        # `--help | head -1`: the reader is gone, and the rest of the output is discarded.
        discard_stdout()
        return 0
    except KeyboardInterrupt:  # before the signal handlers are installed
        return INTERRUPTED_EXIT


def end_process(status: int) -> NoReturn:
    """End the process with this exit status, once its output is written.

    Only for a program that has closed its resources: the interpreter's teardown, which frees each
    object of each module, would take 40 ms more.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status)


def complain(name: str, text: str, status: int = USAGE_EXIT) -> int:
    """Write an error to standard error, and return the exit status."""
    sys.stderr.write(f"{name}: {printable(text)}\n")
    return status


def discard_stdout() -> None:
    """Discard the rest of the output; Python flushes it at exit, and would print an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
