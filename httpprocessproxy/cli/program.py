"""The command line, and the verb `up`: argv in, exit status out. The only print()."""

import argparse
import gc
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from httpprocessproxy.admin.verbs.again import runs_already
from httpprocessproxy.config import Config
from httpprocessproxy.config.command_line import QUESTION_TIMEOUT_S, read_line, read_up
from httpprocessproxy.config.completion import completion
from httpprocessproxy.config.options import PROGRAM
from httpprocessproxy.config.printing import written
from httpprocessproxy.config.resolving import resolve, resolve_bind
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.program import complain, end_process

if TYPE_CHECKING:
    from httpprocessproxy.system.registry import Registration


def up(argv: Sequence[str]) -> int:
    """The verb `up`, which starts a project. Raises UserError."""
    return _start(read_up(argv), is_project=True)


def run_line(argv: Sequence[str], verbs: Collection[str]) -> int:
    """The command line without one of the verbs. Raises UserError and BrokenPipeError."""
    line = read_line(argv)
    # Options that replace a run need no configuration, or (--print-config) nothing else.
    if "completion" in line:
        return _show(completion(line.completion, verbs))
    if "question" in line:
        return _ask(line)
    if "trust" in line:
        return _trust(is_agreed="yes" in line)
    return _start(line, is_project=False)


def _start(line: argparse.Namespace, *, is_project: bool) -> int:
    config = resolve(line)
    if "print_config" in line:
        return _show(written(config))
    return _run_guarded(config, is_project=is_project)


def _run_guarded(config: Config, *, is_project: bool) -> int:
    # Imported late: neither --help nor a question needs a guard.
    from httpprocessproxy.process.guard import guarded
    from httpprocessproxy.system.registry import RunningProxy, registered

    # Before the fork, so that both processes hold the lock of the entry.
    with registered(is_project=is_project) as registration:
        if isinstance(registration, RunningProxy):
            return _show(runs_already(registration))
        status = guarded(lambda: _run(config, registration))
    return end_process(status)


def _run(config: Config, registration: "Registration | None") -> int:
    # Imported in the process that runs the proxy, so that the guard process stays small. No garbage
    # arises: a search for it takes 10 ms here, and as much whenever it visits all these modules.
    gc.disable()
    from httpprocessproxy.app import run

    gc.freeze()
    gc.enable()
    try:
        return run(config, registration)
    except UserError as error:
        return complain(PROGRAM, str(error))


def _ask(line: argparse.Namespace) -> int:
    """Query the proxy that runs at BIND, print the answer, and return the exit status."""
    from httpprocessproxy.admin.client import NO_ANSWER, ask

    timeout_s: float = getattr(line, "timeout", QUESTION_TIMEOUT_S)
    answer = ask(line.question, resolve_bind(line), timeout_s, as_json="json" in line)
    print(answer.text, file=sys.stderr if answer.exit_status == NO_ANSWER else sys.stdout)
    return answer.exit_status


def _trust(*, is_agreed: bool) -> int:
    """Make browsers trust the certificates of --tls, if the user agrees."""
    from httpprocessproxy.frontends import needs

    with needs("--trust", "tls"):
        from httpprocessproxy.frontends.tls.trust import trust

    def ask(question: str) -> bool:
        if is_agreed:
            return True
        if not sys.stdin.isatty():
            raise UserError(
                "--trust asks before it changes anything: there is no terminal to "
                "answer in, so add --yes"
            )
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return trust(print, ask)


def _show(text: str) -> int:
    print(text, end="", flush=True)
    return 0
