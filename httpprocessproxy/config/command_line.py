"""The command line, parsed by the table of options; defaults are left out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from httpprocessproxy import __version__
from httpprocessproxy.config import readers
from httpprocessproxy.config.forms import Kind, Option
from httpprocessproxy.config.options import GROUPS, PLACES, PROGRAM
from httpprocessproxy.config.parser import Parser
from httpprocessproxy.core.errors import UserError

DESCRIPTION = """\
Stands between a browser and the web server you are developing: starts it,
restarts it when a file changes, holds requests until it answers again, and
reloads the browser. A save never costs a request.
"""

EPILOG = f"""\
BIND and BACKEND are PORT (of localhost), HOST:PORT, :PORT (all addresses) or
[IPv6]:PORT. Globs are relative to the working directory: ** is any number of
folders, * and ? and [] stay within a name, {{a,b}} is either. All options may
also be set in {PROGRAM}.toml or in pyproject.toml. Exit status: 2
for bad input, 128 + N when ended by signal N, 0 when ended by the key q. With
--status, --restart and --wait: 0 if the server runs, 1 in error, 3 neither,
4 if no proxy answers.
"""

SHELLS = ("bash", "fish", "zsh")


def read_line(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line into the values that it sets, by the fields of `Config`.

    Raises UserError, or SystemExit for --help and --version.
    """
    # All words after --exec belong to the command, options included.
    at = argv.index("--exec") if "--exec" in argv else len(argv)
    # Intermixed: options may stand between BIND and BACKEND, and a file may set either.
    line = parser().parse_intermixed_args(argv[:at])
    for place in PLACES:
        # For positional arguments, argparse would parse its marker SUPPRESS as a value.
        if getattr(line, place.field, None) is None:
            vars(line).pop(place.field, None)
    if "command" in line:
        raise UserError("--exec takes the rest of the line: write a blank after it, not =")
    if argv[at:]:
        line.command = tuple(argv[at + 1 :])
    return line


def parser() -> argparse.ArgumentParser:
    """The parser of the words before --exec. Its result has no attribute for an absent option."""
    made = Parser(
        prog=PROGRAM,
        usage="%(prog)s BIND BACKEND [OPTIONS] --exec COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for place in PLACES:
        _add(made, place)
    for title, options in GROUPS.items():
        group = made.add_argument_group(title)
        for option in options:
            _add(group, option)
    _add_file(made.add_argument_group("the configuration file"))
    _add_instead(made.add_argument_group("instead of running"))
    return made


def _add(group: argparse._ActionsContainer, option: Option) -> None:
    read, what = readers.for_argparse(option.read), option.help
    names = [name for name in (option.short, f"--{option.name}") if name]
    metavar, field = option.metavar or None, option.field
    match option.kind:
        case Kind.PLACE:
            group.add_argument(
                field, metavar=metavar, nargs="?", default=None, type=read, help=what
            )
        case Kind.FLAG:
            action = argparse.BooleanOptionalAction
            group.add_argument(*names, dest=field, action=action, help=what)
        case Kind.GLOBS:
            group.add_argument(
                *names, dest=field, metavar=metavar, nargs="+", action="extend", help=what
            )
        case Kind.VALUES:
            group.add_argument(
                *names, dest=field, metavar=metavar, type=read, action="append", help=what
            )
        case Kind.VALUE | Kind.COMMAND:
            group.add_argument(
                *names, dest=field, metavar=metavar, type=read, choices=option.choices, help=what
            )


def _add_file(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"read this file (default: {PROGRAM}.toml, or [tool.{PROGRAM}] in pyproject.toml)",
    )
    group.add_argument(
        "--no-config", dest="config", action="store_const", const=None, help="read no file"
    )


def _add_instead(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--print-config",
        action="store_true",
        help="print the effective configuration, defaults included, as such a file",
    )
    group.add_argument(
        "--completion",
        metavar="SHELL",
        choices=SHELLS,
        help=f"print a script for the completion of options in a shell: {', '.join(SHELLS)}",
    )
    group.add_argument(
        "--trust",
        action="store_true",
        help="make browsers on this machine trust the certificates of --tls; shows each step, and "
        "asks first",
    )
    group.add_argument("--yes", action="store_true", help="answer yes to --trust")
    _add_questions(group)
    group.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")


def _add_questions(group: argparse._ArgumentGroup) -> None:
    """Add the options that query the proxy that runs at BIND; each excludes the others."""
    one = group.add_mutually_exclusive_group()
    for question, what in (
        ("status", "print the state of the server behind the proxy at BIND"),
        ("restart", "restart that server, and wait until it runs"),
        ("wait", "wait until that server runs, or is in error"),
    ):
        one.add_argument(
            f"--{question}", dest="question", action="store_const", const=question, help=what
        )
    group.add_argument(
        "--timeout",
        metavar="S",
        type=readers.for_argparse(readers.seconds),
        help="seconds --restart and --wait may take (default: 60)",
    )
    group.add_argument("--json", action="store_true", help="print the state as JSON")
