"""The command line of the archive, read into what is to be done."""

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
Many URLs as one streamed ZIP: a client makes a ticket of them, and whoever has
the ticket's id downloads the archive, once. Without a command, `server run`.
"""

EPILOG = """\
`http-process-archive get OUT.zip /a /b https://...` makes an archive at once
(see get --help). Each option of `server run` is a key of the file of
FPX_CONFIG, and FPX_KEY in the environment.
"""

# An option that is given once for each.
_REPEATED: Final = ("ALLOW",)

_Add = Callable[[argparse.ArgumentParser], None]


@dataclass(frozen=True, slots=True)
class ArchiveCommandLine:
    """What to do, such as `client add`, with what."""

    command: str
    settings: ArchiveSettings
    name: str = ""
    keeps_secret: bool = False
    is_for_all: bool = False


def read_line(argv: Sequence[str], environ: Mapping[str, str]) -> ArchiveCommandLine:
    """Read a command line. Raises UserError, or SystemExit for --help and --version."""
    said = vars(_parser().parse_args(argv or ["server", "run"]))
    # argparse.SUPPRESS: what was not said is not there.
    options = {name: _joined(said[name]) for name in ("CONFIG", *_names()) if name in said}
    return ArchiveCommandLine(
        f"{said['group']} {said['command']}",
        settings(options, environ),
        said.get("name", ""),
        said.get("keeps_secret", False),
        said.get("is_for_all", False),
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
            made.add_argument("--config", dest="CONFIG", metavar="FILE", help="a file of TOML")
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
    """What holds without an option, where that can be told in a word."""
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
    parser.add_argument("name", metavar="NAME", type=name, help="the client's")


def _client_name(text: str) -> str:
    if not is_name(text):
        raise UserError(f"not a name: {text[:100]!r} (1 to 200 characters that can be seen)")
    return text


def _add_new_client(parser: argparse.ArgumentParser) -> None:
    _add_name(parser)
    parser.add_argument(
        "--keep-secret",
        dest="keeps_secret",
        action="store_true",
        help="keep the secret itself in the database: what it signs for /stream/url needs it",
    )


def _add_ticket(parser: argparse.ArgumentParser) -> None:
    _add_database(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", metavar="ID", nargs="?", help="the ticket's")
    which.add_argument("--all", dest="is_for_all", action="store_true", help="all there are")


_GROUPS: Final[Mapping[str, str]] = {
    "server": "tickets over HTTP",
    "db": "the tables of the database",
    "client": "who may make tickets",
    "ticket": "the tickets there are",
}

_COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, _Add]]]] = {
    "server": {"run": ("serve until a signal", _add_keys)},
    "db": {
        "up": ("bring the tables up to date", _add_database),
        "down": ("take the last step of that back, and with it what is in it", _add_database),
        "current": ("tell how far they are", _add_database),
    },
    "client": {
        "add": ("make a client, and tell its secret", _add_new_client),
        "list": ("tell the names of all", _add_database),
        "regenerate": ("give a client a new secret in place of the old", _add_name),
        "drop": ("forget a client", _add_name),
    },
    "ticket": {
        "list": ("tell all tickets and their items", _add_database),
        "drop": ("forget a ticket, or all", _add_ticket),
    },
}
