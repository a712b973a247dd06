"""The worker as a program of its own: argv in, exit status out, log lines on stderr."""

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
    """Share until a signal, and return the exit status: 128 + the signal, or 1 or 2 on an error."""
    try:
        line = read_line(sys.argv[1:] if argv is None else argv)
        return run_on_new_loop(until_signal(_share(line)))
    except UserError as error:
        _print_error(str(error))
        return USAGE_EXIT
    except ShareRefusedError as error:
        _print_error(str(error))
        return REFUSED_EXIT


async def _share(line: WorkerCommandLine) -> int:
    """Announce the share, and run the worker. Raises ShareRefusedError."""
    _print_line(announcement(line.settings))
    code = qr_code(line.settings.public_url)
    if code is not None:
        sys.stderr.write(f"{code}\n")
    await work(line.settings, line.target, Reporter(_print_line, _print_line, _print_visit))
    return 0


def _print_visit(record: VisitRecord) -> None:
    words = (record.ip or "-", record.method, record.url, str(record.status or "-"))
    _print_line(f"visit {' '.join(words)} {duration(record.duration_s * 1000)}")


def _print_line(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def _print_error(text: str) -> None:
    _print_line(f"{PROGRAM}: {text}")
