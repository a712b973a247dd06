"""The program's entry point: argv in, exit status out, one line for an error.

A verb of a running proxy is imported alone, since it is to end within milliseconds; `program.py`
has the command line and `up`.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Final

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.program import run_program

PROGRAM: Final = "http-process-proxy"

Verb = Callable[[Sequence[str]], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program, and return its exit status."""
    return run_program(PROGRAM, _main, sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    """Raises UserError and BrokenPipeError."""
    word = argv[0] if argv else ""
    if word == "up" and "-d" not in argv:
        return _up(argv[1:])
    if word in VERBS:
        from httpprocessproxy.admin.verbs.words import run

        return run(VERBS[word](), argv[1:])
    if word.isalpha():
        _suggest(word)
    from httpprocessproxy.cli.program import run_line

    return run_line(argv, VERBS)


def _up(argv: Sequence[str]) -> int:
    """Raises UserError and BrokenPipeError."""
    from httpprocessproxy.admin.verbs.again import project_here, runs_already

    # A project that runs is found before the configuration is imported.
    if not argv and (project := project_here()) is not None:
        sys.stdout.write(runs_already(project))
        return 0
    from httpprocessproxy.cli.program import up

    return up(argv)


def _acting(verb: str) -> Verb:
    from httpprocessproxy.admin.verbs import acting

    return {
        "restart": acting.restart,
        "stop": acting.stop,
        "start": acting.start,
        "down": acting.down,
    }[verb]


def _showing(verb: str) -> Verb:
    from httpprocessproxy.admin.verbs import showing

    return {"ps": showing.ps, "url": showing.url}[verb]


def _logs() -> Verb:
    from httpprocessproxy.admin.verbs.logs import logs

    return logs


def _run() -> Verb:
    from httpprocessproxy.admin.verbs.running import run

    return run


def _up_in_background() -> Verb:
    from httpprocessproxy.admin.verbs.background import up_in_background

    return up_in_background


# The first words of a command line that are verbs, which no BIND address can be.
VERBS: Final[dict[str, Callable[[], Verb]]] = {
    "up": _up_in_background,
    "ps": lambda: _showing("ps"),
    "logs": _logs,
    "restart": lambda: _acting("restart"),
    "stop": lambda: _acting("stop"),
    "start": lambda: _acting("start"),
    "down": lambda: _acting("down"),
    "run": _run,
    "url": lambda: _showing("url"),
}


def _suggest(word: str) -> None:
    """Raises UserError for a word that is nearly a verb."""
    from httpprocessproxy.core.nearest import nearest

    if near := nearest(word, VERBS):
        raise UserError(f"{word!r} is neither an address nor a verb{near}")
