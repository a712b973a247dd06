"""The relay as a program: its options, its settings, its log lines on stderr."""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.config import Address, readers
from httpprocessproxy.config.forms import flag, number, place, required, seconds, size, text, values
from httpprocessproxy.config.parser import Table, defaults_of, made
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.event_loop import run_on_new_loop
from httpprocessproxy.system.program import run_program

PROGRAM: Final = "http-process-relay"

DESCRIPTION = """\
The public end of http-process-proxy --share: forwards requests for NAME.DOMAIN
to the worker that has NAME's token. It speaks plain HTTP: put a server for TLS
in front.
"""

_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the relay, and return its exit status."""
    return run_program(PROGRAM, _main, argv)


def _main(argv: Sequence[str]) -> int:
    """Raises UserError."""
    settings = read_settings(argv)
    from httpprocessproxy.companions.share.relay.application import run

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # aiohttp would log the queries of visitors; `access_log.py` logs visits instead.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    run_on_new_loop(run(settings))
    return 0


def read_settings(argv: Sequence[str]) -> RelaySettings:
    """Read a command line. Raises UserError, or SystemExit for --help and --version."""
    return made(RelaySettings, vars(_TABLE.parse(argv)))


def _domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    if not _DOMAIN.fullmatch(name):
        raise UserError(f"not a domain: {text[:100]!r} (for example example.test)")
    return name


OPTIONS = (
    required(place("bind", "where to listen", Address.parse)),
    required(
        text(
            "domain",
            "DOMAIN",
            "parent domain of the hosts; the domain itself is the relay's own host",
            _domain,
        )
    ),
    required(
        text(
            "tokens",
            "FILE",
            "lines of NAME TOKEN or NAME sha256:HEX; a NAME with a dot is a full host name",
            Path,
        )
    ),
    seconds("hold", "time that a worker's call waits for a visit"),
    seconds("deadline", "time that a visit waits for its answer; then 504"),
    seconds("grace", "time that a visit waits for a worker to reconnect; then 503"),
    seconds("drain", "time for answers in progress when the relay ends"),
    size("max-body", "limit of one body in memory; above it 413", readers.memory_size),
    size("max-header", "limit of header fields; above it 431", readers.memory_size),
    size("max-memory", "limit of all bodies; above it 503", readers.memory_size),
    number("max-queue", "N", "queued visits of one host; above it 503", readers.count),
    number("max-visits", "N", "concurrent visits; above it 503", readers.count),
    values(
        "trusted-proxy",
        "CIDR",
        "peers whose Forwarded and X-Forwarded-* are trusted; repeatable",
        readers.network,
        field="trusted_proxies",
    ),
    text(
        "metrics",
        "BIND",
        "serve /metrics and /healthz here, and no /metrics on the relay's own host",
        readers.or_off(Address.parse),
    ),
    flag("access-log", "log one line for each visit"),
)

_TABLE = Table(PROGRAM, DESCRIPTION, {"": OPTIONS}, defaults_of(RelaySettings))


if __name__ == "__main__":
    sys.exit(main())
