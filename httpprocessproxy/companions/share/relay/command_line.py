"""The command line of the relay, parsed into its settings."""

import argparse
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from httpprocessproxy import __version__
from httpprocessproxy.companions.share.relay.settings import RelaySettings
from httpprocessproxy.config import Address, readers
from httpprocessproxy.config.parser import Parser
from httpprocessproxy.core.errors import UserError

PROGRAM: Final = "http-process-relay"

DESCRIPTION = """\
The public end of http-process-proxy --share: forwards requests for NAME.DOMAIN
to the worker that has NAME's token. It speaks plain HTTP: put a server for TLS
in front.
"""

_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def read_settings(argv: Sequence[str]) -> RelaySettings:
    """Read a command line. Raises UserError, or SystemExit for --help and --version."""
    values = vars(_parser().parse_args(argv))
    values["trusted_proxies"] = tuple(values.get("trusted_proxies", ()))
    return RelaySettings(**values)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    address = readers.for_argparse(Address.parse)
    parser.add_argument("bind", metavar="BIND", type=address, help="where to listen")
    parser.add_argument(
        "--domain",
        required=True,
        type=readers.for_argparse(_domain),
        help="parent domain of the hosts; the domain itself is the relay's own host",
    )
    parser.add_argument(
        "--tokens",
        metavar="FILE",
        required=True,
        type=Path,
        help="lines of NAME TOKEN or NAME sha256:HEX; a NAME with a dot is a full host name",
    )
    _add_times(parser)
    _add_limits(parser)
    _add_environment(parser)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


def _add_times(parser: argparse.ArgumentParser) -> None:
    for name, default, what in (
        ("hold", 55, "time that a worker's call waits for a visit"),
        ("deadline", 60, "time that a visit waits for its answer; then 504"),
        ("grace", 5, "time that a visit waits for a worker to reconnect; then 503"),
        ("drain", 5, "time for answers in progress when the relay ends"),
    ):
        parser.add_argument(
            f"--{name}",
            dest=f"{name}_s",
            metavar="S",
            type=readers.for_argparse(readers.seconds),
            help=f"{what} (default: {default})",
        )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    # No unit T: these limits are on memory.
    size, count = functools.partial(readers.size, units="KMG"), readers.count
    for name, field, read, default, what in (
        ("max-body", "max_body_bytes", size, "32M", "limit of one body in memory; above it 413"),
        ("max-header", "max_header_bytes", size, "16K", "limit of header fields; above it 431"),
        ("max-memory", "max_memory_bytes", size, "512M", "limit of all bodies; above it 503"),
        ("max-queue", "max_queue", count, "100", "queued visits of one host; above it 503"),
        ("max-visits", "max_visits", count, "1000", "concurrent visits; above it 503"),
    ):
        parser.add_argument(
            f"--{name}",
            dest=field,
            metavar="BYTES" if read is size else "N",
            type=readers.for_argparse(read),
            help=f"{what} (default: {default})",
        )


def _add_environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trusted-proxy",
        dest="trusted_proxies",
        metavar="CIDR",
        type=readers.for_argparse(readers.network),
        action="append",
        help="peers whose Forwarded and X-Forwarded-* are trusted; repeatable",
    )
    parser.add_argument(
        "--metrics",
        metavar="BIND",
        type=readers.for_argparse(Address.parse),
        help="serve /metrics and /healthz here, and no /metrics on the relay's own host",
    )
    parser.add_argument(
        "--access-log",
        action=argparse.BooleanOptionalAction,
        help="log one line for each visit (default: on)",
    )


def _domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    if not _DOMAIN.fullmatch(name):
        raise UserError(f"not a domain: {text[:100]!r} (for example example.test)")
    return name
