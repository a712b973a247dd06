"""The words behind a verb, and its results: text for a person, or JSON.

argparse alone, because the tables of options of the proxy would take as long as the verb itself.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from httpprocessproxy.admin.client import NO_ANSWER, NoProxyError
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.core.lines import printable
from httpprocessproxy.core.nearest import nearest
from httpprocessproxy.system.program import USAGE_EXIT

PROGRAM: Final = "hpp"
_JSON: Final = "--json"


class VerbParser(argparse.ArgumentParser):
    """The parser of one verb. Raises UserError, with the nearest name of an unknown option."""

    def __init__(self, verb: str, description: str, usage: str = "") -> None:
        super().__init__(
            prog=f"{PROGRAM} {verb}",
            description=description,
            usage=f"%(prog)s {usage}" if usage else None,
            allow_abbrev=False,
        )
        self.add_argument(_JSON, action="store_true", help="print JSON")

    def add_bind(self) -> None:
        """Add the option that names a proxy by its address."""
        what = "address of the proxy (default: that of the working directory or a folder above)"
        self.add_argument("--bind", metavar="ADDRESS", help=what)

    def add_timeout(self, default_s: float) -> None:
        what = "seconds to wait (default: %(default)g)"
        self.add_argument("--timeout", metavar="S", type=_seconds, default=default_s, help=what)

    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        near = "" if unknown == message else nearest(unknown, self._option_string_actions)
        raise UserError(f"{message}{near} (see {self.prog} --help)")


def run(verb: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run a verb, and return its exit status; an error is one line, or an object of JSON."""
    try:
        return verb(argv)
    except UserError as error:
        return _report(str(error), USAGE_EXIT, argv)
    except NoProxyError as error:
        return _report(str(error), NO_ANSWER, argv)
    except BrokenPipeError:
        raise
    except OSError as error:  # the registry: verbs read no other files
        return _report(f"the list of running proxies cannot be read: {error}", NO_ANSWER, argv)


def show(text: str, content: Mapping[str, object], *, as_json: bool) -> None:
    """Print a result, in lines or as JSON."""
    sys.stdout.write(f"{json.dumps(content) if as_json else text}\n")


def _report(text: str, exit_status: int, argv: Sequence[str]) -> int:
    own = argv[: argv.index("--")] if "--" in argv else argv
    if _JSON in own:
        sys.stdout.write(f"{json.dumps({'error': text})}\n")
    else:
        sys.stderr.write(f"{PROGRAM}: {printable(text)}\n")
    return exit_status


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e9:
        raise argparse.ArgumentTypeError(f"not a time: {text!r} (a number of seconds, 0 or more)")
    return value
