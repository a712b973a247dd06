"""The worker as a program of its own: its options, its exit status, log lines on stderr."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from httpprocessproxy.companions.share.worker.announcing import announcement, qr_code
from httpprocessproxy.companions.share.worker.local_site import LocalSite
from httpprocessproxy.companions.share.worker.options import ShareOptions
from httpprocessproxy.companions.share.worker.settings import (
    Reporter,
    ShareRefusedError,
    VisitRecord,
    WorkerSettings,
)
from httpprocessproxy.companions.share.worker.worker import work
from httpprocessproxy.config import Address, Config, ShareConfig, readers
from httpprocessproxy.config.building import below, build
from httpprocessproxy.config.companion_options import SHARING
from httpprocessproxy.config.forms import choice, number, place, required, text, within
from httpprocessproxy.config.parser import Table, defaults_of
from httpprocessproxy.config.secret import secret
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import duration, printable
from httpprocessproxy.system.event_loop import run_on_new_loop, until_signal
from httpprocessproxy.system.program import complain, run_program

PROGRAM: Final = "http-process-share"

REFUSED_EXIT: Final = 1

DESCRIPTION = """\
Gives a server on this machine a public address through an http-process-relay,
like the option --share of http-process-proxy.
"""


@dataclass(frozen=True, slots=True)
class WorkerCommandLine:
    """The parsed command line: the worker's settings, and the server's address."""

    settings: WorkerSettings
    target: Address


def main(argv: Sequence[str] | None = None) -> int:
    """Share until a signal, and return the exit status: 128 + the signal, or 1 or 2 on an error."""
    return run_program(PROGRAM, _main, argv)


def _main(argv: Sequence[str]) -> int:
    """Raises UserError."""
    try:
        return run_on_new_loop(until_signal(_share(read_line(argv))))
    except ShareRefusedError as error:
        return complain(PROGRAM, str(error), REFUSED_EXIT)


async def _share(line: WorkerCommandLine) -> int:
    """Announce the share, and run the worker. Raises ShareRefusedError."""
    _print_line(announcement(line.settings))
    code = qr_code(line.settings.public_url)
    if code is not None:
        sys.stderr.write(f"{code}\n")
    site = partial(LocalSite, line.target)
    await work(line.settings, site, Reporter(_print_line, _print_line, _print_visit))
    return 0


def _print_visit(record: VisitRecord) -> None:
    words = (record.ip or "-", record.method, record.url, str(record.status or "-"))
    _print_line(f"visit {' '.join(words)} {duration(record.duration_s * 1000)}")


def _print_line(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")


def read_line(argv: Sequence[str]) -> WorkerCommandLine:
    """Read a command line. Raises UserError, or SystemExit for --help and --version."""
    line = _TABLE.parse(argv)
    share = build(ShareConfig, below("share", vars(line)))
    auth = secret("share-auth", share.auth, share.auth_file)
    assert share.relay is not None, "its option is required"
    options = ShareOptions(share.relay, share.name, share.token_file, auth, share.allow)
    settings = replace(options.settings(), transport=line.transport, polls=line.polls)
    return WorkerCommandLine(settings, line.to)


def _relay(text: str) -> str:
    if text == "off":
        raise UserError("RELAY is missing (see --help)")
    return readers.relay(text)


def _polls(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:4]) <= 100 or len(text) > 3:
        raise UserError(f"not a number of calls: {text[:100]!r} (1 to 100)")
    return int(text)


OPTIONS = (
    *within("share", required(place("relay", "the URL of the relay", _relay))),
    required(
        text(
            "to",
            "ADDRESS",
            "address of the server: PORT (of localhost) or HOST:PORT",
            Address.parse,
        )
    ),
    # The options of http-process-proxy, also without their prefix.
    *(
        replace(option, aliases=(f"--{option.name.removeprefix('share-')}",))
        for option in SHARING
        if option.name != "share"
    ),
    choice(
        "transport",
        "poll: long polling only (default: {default}, streaming if the relay supports it)",
        *("auto", "poll"),
    ),
    number("polls", "N", "number of concurrent calls of long polling", _polls),
)

_TABLE = Table(PROGRAM, DESCRIPTION, {"": OPTIONS}, defaults_of(Config, WorkerSettings))


if __name__ == "__main__":
    sys.exit(main())
