"""The worker alone, as a program: argv in, exit status out, lines about the share on stderr."""

import sys
from collections.abc import Sequence

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import duration, printable
from httpprocessproxy.loops import run_on_new_loop, until_signal
from httpprocessproxy.share.worker.announcing import announcement, qr_code
from httpprocessproxy.share.worker.command_line import PROGRAM, Line, read_line
from httpprocessproxy.share.worker.settings import News, RefusedError, Visited
from httpprocessproxy.share.worker.worker import work

REFUSED_EXIT = 1
USAGE_EXIT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Share until a signal, and return the exit status: 128 + the signal, or what went wrong."""
    try:
        line = read_line(sys.argv[1:] if argv is None else argv)
        return run_on_new_loop(until_signal(_share(line)))
    except UserError as error:
        _complain(str(error))
        return USAGE_EXIT
    except RefusedError as error:
        _complain(str(error))
        return REFUSED_EXIT


async def _share(line: Line) -> int:
    """Raises RefusedError."""
    _write(announcement(line.settings))
    code = qr_code(line.settings.public_url)
    if code is not None:
        sys.stderr.write(f"{code}\n")
    await work(line.settings, line.target, News(_write, _write, _tell))
    return 0


def _tell(visited: Visited) -> None:
    words = (visited.ip or "-", visited.method, visited.url, str(visited.status or "-"))
    _write(f"visit {' '.join(words)} {duration(visited.duration_s * 1000)}")


def _write(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def _complain(text: str) -> None:
    _write(f"{PROGRAM}: {text}")
