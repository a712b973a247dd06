"""The command line of the program `http-process-share`, parsed into the worker's settings."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from httpprocessproxy import __version__
from httpprocessproxy.companions.share.worker.options import ShareOptions
from httpprocessproxy.companions.share.worker.settings import WorkerSettings
from httpprocessproxy.config import Address, readers
from httpprocessproxy.config.parser import Parser
from httpprocessproxy.config.secret import secret
from httpprocessproxy.core.errors import UserError

PROGRAM: Final = "http-process-share"

DESCRIPTION = """\
Gives a server on this machine a public address through an http-process-relay, like the option
--share of http-process-proxy.
"""


@dataclass(frozen=True, slots=True)
class WorkerCommandLine:
    """The parsed command line: the worker's settings, and the server's address."""

    settings: WorkerSettings
    target: Address


def read_line(argv: Sequence[str]) -> WorkerCommandLine:
    """Read a command line. Raises UserError, or SystemExit for --help and --version."""
    line = _parser().parse_args(argv)
    auth = secret("share-auth", line.auth, line.auth_file)
    options = ShareOptions(line.relay, line.name, line.token_file, auth, tuple(line.allow))
    settings = replace(options.settings(), transport=line.transport, polls=line.polls)
    return WorkerCommandLine(settings, line.to)


def _relay(text: str) -> str:
    url = readers.relay_or_off(text)
    if url is None:
        raise UserError("RELAY is missing (see --help)")
    return url


def _polls(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:4]) <= 100 or len(text) > 3:
        raise UserError(f"not a number of calls: {text[:100]!r} (1 to 100)")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("relay", metavar="RELAY", type=readers.for_argparse(_relay), help="the URL of the relay")
    add(
        "--to",
        metavar="ADDRESS",
        required=True,
        type=readers.for_argparse(Address.parse),
        help="address of the server: PORT (of localhost) or HOST:PORT",
    )
    add(
        "--name",
        "--share-name",
        metavar="NAME",
        default="",
        help="a subdomain of RELAY, or a full host name (default: from the token file, or random)",
    )
    add(
        "--token-file",
        "--share-token-file",
        metavar="FILE",
        type=Path,
        default=None,
        help="a file with one line, TOKEN or NAME TOKEN",
    )
    add(
        "--auth",
        "--share-auth",
        metavar="USER:PASS",
        default="",
        help="require this user and password",
    )
    add(
        "--auth-file",
        "--share-auth-file",
        metavar="FILE",
        type=Path,
        default=None,
        help="a file whose first line is that USER:PASS (default: HPP_SHARE_AUTH, if it is set)",
    )
    add(
        "--allow",
        "--share-allow",
        metavar="RULE",
        action="append",
        default=[],
        help="share only these requests: 'METHOD GLOB', such as 'GET /public/**'; repeatable",
    )
    add(
        "--transport",
        choices=("auto", "poll"),
        default="auto",
        help="poll: long polling only (default: auto, streaming if the relay supports it)",
    )
    add(
        "--polls",
        metavar="N",
        type=readers.for_argparse(_polls),
        default=10,
        help="number of concurrent calls of long polling (default: 10)",
    )
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser
