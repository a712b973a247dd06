"""Every option, once: the command line is parsed by this table, and files are read by it."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NoReturn

from httpprocessproxy import __version__, readers
from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import UserError

PROGRAM = "http-process-proxy"

DESCRIPTION = """\
Stands between a browser and the web server you are developing: starts it, restarts it when a file
changes, holds requests until it answers again, and reloads the browser. A save never costs a
request.
"""

EPILOG = """\
BIND and BACKEND are PORT (of localhost), HOST:PORT, :PORT (all addresses) or [IPv6]:PORT.
Globs are relative to the working directory: ** is any number of folders, * and ? and [] stay within
a name, {a,b} is either. Exit status: 2 for bad input, 128 + N when ended by signal N.
"""


class Kind(Enum):
    """How often an option may be given, and what it takes."""

    PLACE = auto()  # a word without a name
    COMMAND = auto()  # the rest of the line
    FLAG = auto()  # --name or --no-name
    VALUE = auto()
    VALUES = auto()  # repeatable
    GLOBS = auto()  # repeatable, and several at once


@dataclass(frozen=True, slots=True)
class Option:
    """What sets `field` of `Config`: `--name` on a command line, `name` in a file."""

    name: str
    field: str
    kind: Kind
    help: str
    metavar: str = ""
    read: Callable[[str], object] = str
    is_number: bool = False  # may be one in a file
    choices: tuple[str, ...] | None = None
    short: str = ""


def _flag(name: str, what: str, field: str = "") -> Option:
    return Option(name, field or name.replace("-", "_"), Kind.FLAG, what)


def _time(name: str, what: str, field: str = "") -> Option:
    field = field or name.replace("-", "_") + "_s"
    return Option(name, field, Kind.VALUE, f"seconds {what}", "S", readers.seconds, is_number=True)


def _choice(name: str, what: str, *choices: str) -> Option:
    read = readers.one_of(*choices)
    return Option(name, name, Kind.VALUE, what, read=read, choices=choices)


def _globs(short: str, name: str, field: str, what: str) -> Option:
    return Option(name, field, Kind.GLOBS, what, "GLOB", short=short)


PLACES = (
    Option(
        *("bind", "bind", Kind.PLACE, "where browsers connect to", "BIND"),
        read=Address.parse,
        is_number=True,
    ),
    Option(
        *("backend", "backend", Kind.PLACE, "where the server listens", "BACKEND"),
        read=readers.backend,
        is_number=True,
    ),
)

# The groups of --help.
GROUPS = {
    "the server": (
        Option(
            *("exec", "command", Kind.COMMAND),
            *("the server's command; takes the rest of the line", "COMMAND ..."),
        ),
        Option(
            *("env-file", "env_file", Kind.VALUE),
            "what to add to the server's environment, as NAME=VALUE lines (default: none)",
            *("FILE", readers.file),
        ),
    ),
    "watching files": (
        _globs(
            *("-p", "pattern", "patterns"),
            "files whose change restarts the server (default: **/*)",
        ),
        _globs(
            *("-x", "exclude", "excludes"),
            "files that do not count all the same (default: none)",
        ),
        _flag(
            "default-excludes",
            "do not let version control, caches, node_modules, virtual environments and editors' "
            "temporary files count, unless a pattern names them (default: on)",
        ),
        _globs(
            *("", "refresh", "refresh"),
            "files whose change refreshes browsers, without a restart (default: none)",
        ),
        _flag("ignore-unchanged", "skip a save that leaves a file's content as it was"),
        _choice(
            "watcher",
            "what watches: Watchman, the embedded watcher, or that one polling "
            "(default: auto, Watchman where it is installed)",
            *("auto", "watchman", "embedded", "polling"),
        ),
        Option(
            *("settle", "settle_s", Kind.VALUE),
            *("quiet time that ends a burst of changes; 1 s ends it anyway (default: 2)", "MS"),
            *(readers.milliseconds, True),
        ),
    ),
    "restarting": (
        _choice(
            "ping",
            "what shows that the server is ready: a response, or a connection (default: http)",
            *("http", "tcp"),
        ),
        Option(
            *("ping-path", "ping_path", Kind.VALUE),
            *("what is asked for then (default: /)", "PATH", readers.url_path),
        ),
        _time("start-timeout", "a start may take; then 503 (default: 120)"),
        _time("queue-timeout", "a request may wait; then 503 (default: 60)"),
        _time("drain", "an unsafe request in flight may delay the kill; 0: none (default: 1)"),
        Option(
            *("kill-signal", "kill_signal", Kind.VALUE),
            *("how the server is ended (default: SIGKILL)", "NAME", readers.signal_name),
        ),
        _time("kill-timeout", "until SIGKILL after another one (default: 5)"),
    ),
    "in the browser": (
        _flag("inject", "put our script into pages, so that they reload (default: on)"),
        Option(
            *("editor", "editor", Kind.VALUE),
            "what opens the lines of an error: a name such as vscode, or a URL with {file} and "
            "{line} (default: a guess)",
            "EDITOR",
        ),
        _flag("browser-console", "show the server's output in the browser's console, too"),
        Option(
            *("starting-page", "starting_page_s", Kind.VALUE),
            "seconds a page may be held until one that shows the start takes its place "
            "(default: off)",
            *("S", readers.seconds_or_off, True),
        ),
        _flag("open", "open the browser when the server runs", "open_browser"),
        Option(
            *("livereload-port", "livereload_port", Kind.VALUE),
            "for the LiveReload browser extension; 0: none (default: 35729)",
            *("PORT", readers.port, True),
        ),
    ),
    "who may connect": (
        Option(
            *("allowed-host", "allowed_hosts", Kind.VALUES),
            "a host that requests may name besides local ones; *.NAME for subdomains, "
            "* for any; repeatable (default: none)",
            "NAME",
        ),
        Option(
            *("forwarded-allow-ips", "forwarded_allow_ips", Kind.VALUES),
            "peers whose Forwarded and X-Forwarded-* are kept; repeatable "
            "(default: 127.0.0.0/8 and ::1)",
            *("CIDR", readers.network),
        ),
    ),
    "in the terminal": (
        _flag("log-requests", "show each request in a line"),
        _flag("json-logs", "write our own lines as JSON"),
        _flag("quiet", "show errors and the server's output only"),
        _flag("debug", "show what goes on inside"),
    ),
}

OPTIONS = (*PLACES, *(option for group in GROUPS.values() for option in group))


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all of ours."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see --help)")


def read_line(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line into what it says, by the fields of `Config`, and no defaults.

    Raises UserError, or SystemExit for --help and --version.
    """
    # Everything behind --exec is the command's, options included.
    at = argv.index("--exec") if "--exec" in argv else len(argv)
    # Intermixed: BIND and BACKEND may stand apart, and either may be left to a file.
    line = parser().parse_intermixed_args(argv[:at])
    if "command" in line:
        raise UserError("--exec takes the rest of the line: write a blank after it, not =")
    if argv[at + 1 :]:
        line.command = argv[at + 1 :]
    return line


def parser() -> argparse.ArgumentParser:
    """The parser of everything in front of --exec. It leaves out what is not given."""
    made = _Parser(
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
    instead = made.add_argument_group("instead of running")
    instead.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return made


def _add(group: argparse._ActionsContainer, option: Option) -> None:
    read, what = readers.for_argparse(option.read), option.help
    names = [name for name in (option.short, f"--{option.name}") if name]
    metavar, field = option.metavar or None, option.field
    match option.kind:
        case Kind.PLACE:
            group.add_argument(field, metavar=metavar, nargs="?", type=read, help=what)
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
