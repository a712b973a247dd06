"""The command line of http-process-archive: a group, a command, and its options."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy.companions.archive import PROGRAM
from httpprocessproxy.companions.archive.configuration import settings
from httpprocessproxy.companions.archive.keys import DB_URL, DEFAULTS, OPTIONS
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.companions.archive.store.clients import is_name
from httpprocessproxy.config.forms import Option, place, required, switch, text
from httpprocessproxy.config.parser import Table, add_options, given
from httpprocessproxy.core.errors import UserError

DESCRIPTION = """\
Streams many URLs as one ZIP: a client creates a ticket for the URLs, and the
ticket's id downloads the archive, once. The default command is `server run`.
"""

EPILOG = """\
`http-process-archive get OUT.zip /a /b https://...` writes an archive without a
service (see get --help). Each option of `server run` can also be set in the
file that FPX_CONFIG names, and as FPX_KEY in the environment.
"""


@dataclass(frozen=True, slots=True)
class ArchiveCommandLine:
    """A command such as `client add`, and its arguments."""

    command: str
    settings: ArchiveSettings
    name: str = ""
    keeps_secret: bool = False
    is_for_all: bool = False


def read_line(argv: Sequence[str], environ: Mapping[str, str]) -> ArchiveCommandLine:
    """Parse a command line. Raises UserError, or SystemExit for --help and --version."""
    line = given(_parser().parse_args(argv or ["server", "run"]))
    return ArchiveCommandLine(
        f"{line['group']} {line['command']}",
        settings(line, environ),
        str(line.get("name") or ""),
        "keeps_secret" in line,
        "is_for_all" in line,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Table(PROGRAM, DESCRIPTION, {"": ()}, {}, EPILOG).parser()
    groups = parser.add_subparsers(dest="group", metavar="GROUP", required=True)
    for group, about in _GROUPS.items():
        of_group = groups.add_parser(group, help=about, allow_abbrev=False)
        commands = of_group.add_subparsers(dest="command", metavar="COMMAND", required=True)
        for command in (command for command in _COMMANDS if command.group == group):
            made = commands.add_parser(
                command.name,
                help=command.about,
                description=f"{command.about[0].upper()}{command.about[1:]}.",
                argument_default=argparse.SUPPRESS,
                allow_abbrev=False,
            )
            add_options(made, (_CONFIG, *command.options), DEFAULTS)
            if command.one_of:
                exclusive = made.add_mutually_exclusive_group(required=True)
                add_options(exclusive, command.one_of, {})
    return parser


def _client_name(text: str) -> str:
    if not is_name(text):
        raise UserError(f"not a name: {text[:100]!r} (1 to 200 printable characters)")
    return text


@dataclass(frozen=True, slots=True)
class _Command:
    """A command, its options, and those of which it takes exactly one."""

    group: str
    name: str
    about: str
    options: Sequence[Option] = (DB_URL,)
    one_of: Sequence[Option] = ()


_CONFIG: Final = text("config", "FILE", "a file with settings in TOML")
_NAME: Final = required(place("name", "the name of the client", _client_name))
_KEEP_SECRET: Final = switch(
    "keep-secret",
    "store the secret itself, not only its hash: URLs signed for /stream/url need it",
    field="keeps_secret",
)
_TICKETS: Final = (
    place("name", "the id of the ticket", metavar="ID"),
    switch("all", "all tickets", field="is_for_all"),
)

_GROUPS: Final[Mapping[str, str]] = {
    "server": "serve tickets over HTTP",
    "db": "manage the tables of the database",
    "client": "manage the clients, which may create tickets",
    "ticket": "manage the tickets",
}

_COMMANDS: Final = (
    _Command("server", "run", "serve until a signal", OPTIONS),
    _Command("db", "up", "migrate the tables to the newest revision"),
    _Command("db", "down", "revert the last migration, and delete its data"),
    _Command("db", "current", "print the revision of the tables"),
    _Command(
        *("client", "add", "create a client, and print its secret"), (DB_URL, _NAME, _KEEP_SECRET)
    ),
    _Command("client", "list", "print the names of all clients"),
    _Command(
        *("client", "regenerate", "replace the secret of a client, and print the new one"),
        (DB_URL, _NAME),
    ),
    _Command("client", "drop", "delete a client", (DB_URL, _NAME)),
    _Command("ticket", "list", "print all tickets and their items"),
    _Command("ticket", "drop", "delete a ticket, or all", one_of=_TICKETS),
)
