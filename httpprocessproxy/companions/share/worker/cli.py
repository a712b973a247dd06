"""The worker alone, as a program: argv in, exit status out, lines about the share on stderr."""

import sys
from collections.abc import Sequence

from httpprocessproxy.companions.share.worker.announcing import announcement, qr_code
from httpprocessproxy.companions.share.worker.command_line import (
    PROGRAM,
    WorkerCommandLine,
    read_line,
)
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    VisitRecord,
)
from httpprocessproxy.companions.share.worker.worker import work
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import duration, printable
from httpprocessproxy.system.event_loop import run_on_new_loop, until_signal

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
    except ShareRefusedError as error:
        _complain(str(error))
        return REFUSED_EXIT


async def _share(line: WorkerCommandLine) -> int:
    """Raises ShareRefusedError."""
    _write(announcement(line.settings))
    code = qr_code(line.settings.public_url)
    if code is not None:
        sys.stderr.write(f"{code}\n")
    await work(line.settings, line.target, Reporter(_write, _write, _tell))
    return 0


def _tell(visited: VisitRecord) -> None:
    words = (visited.ip or "-", visited.method, visited.url, str(visited.status or "-"))
    _write(f"visit {' '.join(words)} {duration(visited.duration_s * 1000)}")


def _write(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def _complain(text: str) -> None:
    _write(f"{PROGRAM}: {text}")
