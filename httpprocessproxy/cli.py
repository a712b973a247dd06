"""The command line: argv in, `Config` or one line about what is wrong out. The only print()."""

import argparse
import ipaddress
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from httpprocessproxy import __version__
from httpprocessproxy.config import Address, Config, Network
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process.guard import guarded

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

USAGE_EXIT = 2

T = TypeVar("T")


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like all of ours."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    try:
        config = parse(sys.argv[1:] if argv is None else argv)
    except UserError as error:
        return _complain(error)
    except BrokenPipeError:
        # `--help | head -1`: nobody reads on, and what is left is to be forgotten.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return guarded(lambda: _run(config))


def _run(config: Config) -> int:
    # Imported in the process that needs it: the guard stays small.
    from httpprocessproxy.app import run

    try:
        return run(config)
    except UserError as error:
        return _complain(error)


def _complain(error: UserError) -> int:
    print(f"{PROGRAM}: {error}", file=sys.stderr)
    return USAGE_EXIT


def parse(argv: Sequence[str]) -> Config:
    """Read the command line. Raises UserError, or SystemExit for --help and --version."""
    options, command = _split_at_exec(argv)
    values = _parser().parse_args(options)
    if values.exec is not None:
        raise UserError("--exec takes the rest of the line: write a blank after it, not =")
    if not command:
        raise UserError("what to run is missing: end the line with --exec COMMAND ...")
    bind, backend = values.bind, values.backend
    if backend.port == 0:
        raise UserError("BACKEND needs a port: 0 is none")
    if bind.port and bind.overlaps(backend):
        raise UserError(f"BIND {bind} is BACKEND's port, too: give the proxy a port of its own")
    return Config(
        bind=bind,
        backend=backend,
        command=tuple(command),
        patterns=tuple(values.pattern),
        excludes=tuple(values.exclude),
        default_excludes=values.default_excludes,
        watcher=values.watcher,
        settle_s=values.settle / 1000,
        ping=values.ping,
        ping_path=values.ping_path,
        start_timeout_s=values.start_timeout,
        queue_timeout_s=values.queue_timeout,
        drain_s=values.drain,
        kill_signal=values.kill_signal,
        kill_timeout_s=values.kill_timeout,
        livereload_port=values.livereload_port,
        allowed_hosts=tuple(values.allowed_host),
        forwarded_allow_ips=tuple(values.forwarded_allow_ips or Config.forwarded_allow_ips),
        debug=values.debug,
    )


def _split_at_exec(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Everything behind --exec is the command's, options included."""
    if "--exec" not in argv:
        return argv, ()
    at = argv.index("--exec")
    return argv[:at], argv[at + 1 :]


def _parser() -> _Parser:
    parser = _Parser(
        prog=PROGRAM,
        usage="%(prog)s BIND BACKEND [OPTIONS] --exec COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("bind", metavar="BIND", type=_reads(Address.parse), help="where browsers connect to")
    add("backend", metavar="BACKEND", type=_reads(Address.parse), help="where the server listens")
    parser.add_argument_group("the server").add_argument(
        "--exec",
        metavar="COMMAND ...",
        help="the server's command; takes the rest of the line",
    )
    _add_watching(parser.add_argument_group("watching files"))
    _add_restarting(parser.add_argument_group("restarting"))
    _add_serving(parser.add_argument_group("serving"))
    add("--debug", action="store_true", help="show what goes on inside")
    add("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


def _add_watching(group: argparse._ArgumentGroup) -> None:
    _add_globs(group, "-p", "--pattern", "files whose change restarts the server (default: **/*)")
    _add_globs(group, "-x", "--exclude", "files that do not count all the same (default: none)")
    group.add_argument(
        "--no-default-excludes",
        dest="default_excludes",
        action="store_false",
        help="let version control, caches, node_modules, virtual environments and editors' "
        "temporary files count (default: they do not, unless a pattern names them)",
    )
    group.add_argument(
        "--watcher",
        choices=("auto", "watchman", "embedded", "polling"),
        default=Config.watcher,
        help="what watches: Watchman, the embedded watcher, or that one polling "
        "(default: auto, Watchman where it is installed)",
    )
    group.add_argument(
        "--settle",
        metavar="MS",
        type=_reads(_milliseconds),
        default=Config.settle_s * 1000,
        help="quiet time that ends a burst of changes; 1 s ends it anyway (default: 2)",
    )


def _add_globs(group: argparse._ArgumentGroup, short: str, name: str, what: str) -> None:
    group.add_argument(
        short, name, metavar="GLOB", nargs="+", action="extend", default=[], help=what
    )


def _add_restarting(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--ping",
        choices=("http", "tcp"),
        default=Config.ping,
        help="what shows that the server is ready: a response, or a connection (default: http)",
    )
    group.add_argument(
        "--ping-path",
        metavar="PATH",
        type=_reads(_path),
        default=Config.ping_path,
        help="what is asked for then (default: /)",
    )
    _add_seconds(group, "--start-timeout", Config.start_timeout_s, "a start may take; then 503")
    _add_seconds(group, "--queue-timeout", Config.queue_timeout_s, "a request may wait; then 503")
    _add_seconds(
        group, "--drain", Config.drain_s, "an unsafe request in flight may delay the kill; 0: none"
    )
    group.add_argument(
        "--kill-signal",
        metavar="NAME",
        type=_reads(_signal),
        default=Config.kill_signal,
        help="how the server is ended (default: SIGKILL)",
    )
    _add_seconds(group, "--kill-timeout", Config.kill_timeout_s, "until SIGKILL after another one")


def _add_seconds(group: argparse._ArgumentGroup, name: str, default: float, what: str) -> None:
    group.add_argument(
        name,
        metavar="S",
        type=_reads(_seconds),
        default=default,
        help=f"seconds {what} (default: {default:g})",
    )


def _add_serving(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--livereload-port",
        metavar="PORT",
        type=_reads(_port),
        default=Config.livereload_port,
        help="for the LiveReload browser extension; 0: none (default: 35729)",
    )
    group.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a host that requests may name besides local ones; *.NAME for subdomains, "
        "* for any; repeatable (default: none)",
    )
    group.add_argument(
        "--forwarded-allow-ips",
        metavar="CIDR",
        action="append",
        type=_reads(_network),
        help="peers whose Forwarded and X-Forwarded-* are kept; repeatable "
        "(default: 127.0.0.0/8 and ::1)",
    )


# The types of values. Each raises UserError, or ValueError for what needs no explanation.


def _reads(parse_text: Callable[[str], T]) -> Callable[[str], T]:
    """Make a type for argparse, which shows the text of an ArgumentTypeError as it is."""

    def read(text: str) -> T:
        try:
            return parse_text(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UserError(f"not a time: {text!r} (a number of seconds, 0 or more)")
    return value


def _milliseconds(text: str) -> float:
    try:
        return _seconds(text)
    except UserError:
        raise UserError(f"not a time: {text!r} (a number of milliseconds, 0 or more)") from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise UserError(f"not a port: {text!r} (a number from 0 to 65535)")
    return int(text)


def _path(text: str) -> str:
    if not text.startswith("/") or not text.isascii() or any(c <= " " for c in text):
        raise UserError(f"not a path: {text!r} (it begins with / and has no blanks)")
    return text


def _signal(text: str) -> signal.Signals:
    name = text.upper()
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UserError(f"unknown signal: {text!r} (for example TERM, INT or KILL)") from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UserError(f"not a network: {text!r} (for example 10.0.0.0/8 or ::1)") from None
