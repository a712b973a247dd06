"""The command line of http-process-archive."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from httpprocessproxy import __version__
from httpprocessproxy.companions.archive import PROGRAM
from httpprocessproxy.companions.archive.configuration import default, option, settings
from httpprocessproxy.companions.archive.keys import KEYS, Key
from httpprocessproxy.companions.archive.settings import ArchiveSettings
from httpprocessproxy.companions.archive.store.clients import is_name
from httpprocessproxy.config import readers
from httpprocessproxy.config.parser import Parser
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

# Repeatable options.
_REPEATED: Final = ("ALLOW",)

_Add = Callable[[argparse.ArgumentParser], None]


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
    given = vars(_parser().parse_args(argv or ["server", "run"]))
    # argparse.SUPPRESS leaves out the options that were not given.
    options = {name: _joined(given[name]) for name in ("CONFIG", *_names()) if name in given}
    return ArchiveCommandLine(
        f"{given['group']} {given['command']}",
        settings(options, environ),
        given.get("name", ""),
        given.get("keeps_secret", False),
        given.get("is_for_all", False),
    )


def _names() -> list[str]:
    return [key.name for key in KEYS if key.field]


def _joined(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    groups = parser.add_subparsers(dest="group", metavar="GROUP", required=True)
    for group, about in _GROUPS.items():
        of_group = groups.add_parser(group, help=about, allow_abbrev=False)
        commands = of_group.add_subparsers(dest="command", metavar="COMMAND", required=True)
        for command, (help_, add) in _COMMANDS[group].items():
            made = commands.add_parser(
                command,
                help=help_,
                description=f"{help_[0].upper()}{help_[1:]}.",
                argument_default=argparse.SUPPRESS,
                allow_abbrev=False,
            )
            made.add_argument(
                "--config", dest="CONFIG", metavar="FILE", help="a file with settings in TOML"
            )
            add(made)
    return parser


def _add_keys(parser: argparse.ArgumentParser) -> None:
    for key in KEYS:
        name = f"--{option(key)}"
        if key.flag:
            parser.add_argument(
                name, dest=key.name, action="store_const", const=key.flag, help=key.help
            )
        elif key.field:
            action = "append" if key.name in _REPEATED else "store"
            help_ = f"{key.help}{_default(key)}"
            parser.add_argument(name, dest=key.name, action=action, metavar=key.metavar, help=help_)


def _default(key: Key) -> str:
    """The default of an option for its help text; empty if it has no short form."""
    match default(key):
        case tuple(("*",)):
            return " (default: any)"
        case int(value) if key.read is readers.size:
            units = {1024**exponent: unit for exponent, unit in enumerate(("", "K", "M", "G"))}
            unit = max(unit for unit in units if value % unit == 0)
            return f" (default: {value // unit}{units[unit]})"
        case int() | float() | str() as value if value:
            return f" (default: {value:g})" if isinstance(value, float) else f" (default: {value})"
    return ""


def _add_database(parser: argparse.ArgumentParser) -> None:
    key = next(key for key in KEYS if key.name == "DB_URL")
    parser.add_argument("--db-url", dest=key.name, metavar=key.metavar, help=key.help)


def _add_name(parser: argparse.ArgumentParser) -> None:
    _add_database(parser)
    name = readers.for_argparse(_client_name)
    parser.add_argument("name", metavar="NAME", type=name, help="the name of the client")


def _client_name(text: str) -> str:
    if not is_name(text):
        raise UserError(f"not a name: {text[:100]!r} (1 to 200 printable characters)")
    return text


def _add_new_client(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    parser.add_argument(
        "--keep-secret",
        dest="keeps_secret",
        action="store_true",
        help="store the secret itself, not only its hash: URLs signed for /stream/url need it",
    )


def _add_ticket(parser: argparse.ArgumentParser) -> None:
    _add_database(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="ID", nargs="?", help="the id of the ticket")
    which.add_argument("--all", dest="is_for_all", action="store_true", help="all tickets")


_GROUPS: Final[Mapping[str, str]] = {
    "server": "serve tickets over HTTP",
    "db": "manage the tables of the database",
    "client": "manage the clients, which may create tickets",
    "ticket": "manage the tickets",
}

_COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, _Add]]]] = {
    "server": {"run": ("serve until a signal", _add_keys)},
    "db": {
        "up": ("migrate the tables to the newest revision", _add_database),
        "down": ("revert the last migration, and delete its data", _add_database),
        "current": ("print the revision of the tables", _add_database),
    },
    "client": {
        "add": ("create a client, and print its secret", _add_new_client),
        "list": ("print the names of all clients", _add_database),
        "regenerate": ("replace the secret of a client, and print the new one", _add_name),
        "drop": ("delete a client", _add_name),
    },
    "ticket": {
        "list": ("print all tickets and their items", _add_database),
        "drop": ("delete a ticket, or all", _add_ticket),
    },
}
