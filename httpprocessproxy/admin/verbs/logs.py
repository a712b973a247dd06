"""`hpp logs`: the output of services, each line with the name of its service if there are several.

Each followed service has a connection and a thread of its own.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from httpprocessproxy.admin.client import RUNNING, NoProxyError
from httpprocessproxy.admin.http_client import HttpError
from httpprocessproxy.admin.verbs.finding import FoundProxy, find_proxy
from httpprocessproxy.admin.verbs.words import VerbParser, show

_TIMEOUT_S: Final = 10.0

Pieces = Iterable[bytes]


def logs(argv: Sequence[str]) -> int:
    """Print the end of the output of services, and with -f all that follows until it ends."""
    parser = VerbParser("logs", "Shows the output of services.")
    parser.add_bind()
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the proxy ends")
    what = "lines of each service (default: all that are kept, 64 KiB)"
    parser.add_argument("-n", "--lines", metavar="N", type=int, default=0, help=what)
    parser.add_argument("names", metavar="NAME", nargs="*", help="a service (default: all)")
    line = parser.parse_args(argv)
    if line.lines < 0:
        parser.error("-n is 1 or more")
    if line.follow and line.json:
        parser.error("-f and --json exclude each other")
    proxy = find_proxy(line.bind)
    names = [str(each["name"]) for each in proxy.chosen(line.names)]
    printers = _printers(names)
    if line.follow:
        _follow(proxy, printers, line.lines)
    elif line.json:
        output = {name: b"".join(_output(proxy, name, line.lines)).decode() for name in names}
        show("", {"output": output}, as_json=True)
    else:
        for name, printer in printers.items():
            printer(_output(proxy, name, line.lines))
    return RUNNING


def _follow(proxy: FoundProxy, printers: dict[str, Callable[[Pieces], None]], lines: int) -> None:
    """Print the output of all services until the proxy ends. Raises BrokenPipeError."""
    broken: list[BrokenPipeError] = []

    def follow(name: str, printer: Callable[[Pieces], None]) -> None:
        try:
            # A cut connection is the end of the proxy.
            with suppress(NoProxyError):
                printer(_output(proxy, name, lines, follows=True))
        except BrokenPipeError as error:
            broken.append(error)

    threads = [
        threading.Thread(target=follow, args=each, name=each[0], daemon=True)
        for each in printers.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
        if broken:
            raise broken[0]


def _output(proxy: FoundProxy, name: str, lines: int, *, follows: bool = False) -> Pieces:
    """The output of a service. Raises NoProxyError."""
    target = f"/_hpp/services/{name}/output?lines={lines}{'&follow=1' if follows else ''}"
    try:
        with proxy.client.open(f"GET {target}", None if follows else _TIMEOUT_S) as response:
            yield from response.pieces()
    except (OSError, HttpError) as error:
        raise NoProxyError(f"the output of {name} has ended: {error}") from error


def _printers(names: Sequence[str]) -> dict[str, Callable[[Pieces], None]]:
    """For each service, a function that prints pieces of its output."""
    lock, width = threading.Lock(), max(map(len, names))
    prefixes = [f"{name:<{width}} | " if len(names) > 1 else "" for name in names]
    return {
        name: partial(_print, prefix, lock) for name, prefix in zip(names, prefixes, strict=True)
    }


def _prefixed(pieces: Pieces, prefix: str) -> Pieces:
    """Whole lines, each behind the prefix; a last line without an end gets one."""
    begin, rest = prefix.encode(), b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        if whole:
            yield b"".join(begin + line + b"\n" for line in whole)
    if rest:
        yield begin + rest + b"\n"


def _print(prefix: str, lock: threading.Lock, pieces: Pieces) -> None:
    """Raises BrokenPipeError, and the exceptions of `pieces`."""
    for piece in _prefixed(pieces, prefix) if prefix else pieces:
        with lock:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
