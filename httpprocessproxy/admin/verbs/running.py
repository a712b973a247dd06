"""`hpp run -- COMMAND`: a command, such as a test, while all services run."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from httpprocessproxy.admin.client import (
    MAX_WAIT_S,
    NoProxyError,
    failed_build,
    sentence,
)
from httpprocessproxy.admin.verbs.acting import act, ask_to_end, has_ended
from httpprocessproxy.admin.verbs.background import start_in_background
from httpprocessproxy.admin.verbs.finding import FoundProxy, Service, exit_status, find_proxy
from httpprocessproxy.admin.verbs.words import PROGRAM, VerbParser
from httpprocessproxy.core.errors import UserError

_END_TIMEOUT_S: Final = 60.0
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


def run(argv: Sequence[str]) -> int:
    """Start the services that do not run, run a command, and stop those services again.

    Returns the exit status of the command, and that of `ps` if a service is in error.
    """
    at = argv.index("--") if "--" in argv else len(argv)
    parser = VerbParser(
        "run", "Runs a command while all services of this folder run.", "[OPTIONS] -- COMMAND ..."
    )
    parser.add_bind()
    line, command = parser.parse_args(argv[:at]), argv[at + 1 :]
    if not command:
        parser.error("the command is missing: hpp run -- COMMAND ...")
    for number in _ENDING:
        signal.signal(number, _leave)
    proxy, is_new = _proxy(line.bind)
    stopped: Sequence[str] = ()
    try:
        stopped = [str(each["name"]) for each in proxy.services() if each["state"] == "stopped"]
        act(proxy, "start", stopped, MAX_WAIT_S)
        services = proxy.services(MAX_WAIT_S)
        if verdict := exit_status(services):
            _report(services)
            return verdict
        return _run(command, proxy, services)
    finally:
        # The proxy may have ended meanwhile.
        with suppress(NoProxyError):
            if is_new:
                ask_to_end(proxy)
                has_ended(proxy, _END_TIMEOUT_S)
            else:
                act(proxy, "stop", stopped, _END_TIMEOUT_S)


def _proxy(bind: str | None) -> tuple[FoundProxy, bool]:
    """The running proxy, or a new one. Raises UserError and NoProxyError."""
    try:
        return find_proxy(bind), False
    except NoProxyError:
        if bind is not None:
            raise
    started = start_in_background(())
    return started.proxy, started.is_new


def _report(services: Sequence[Service]) -> None:
    for service in services:
        if service["state"] != "running" or failed_build(service):
            sys.stderr.write(f"{PROGRAM}: {service['name']}: {sentence(service)}\n")


def _run(command: Sequence[str], proxy: FoundProxy, services: Sequence[Service]) -> int:
    """Run the command; return its exit status as a shell does. Raises UserError."""
    variables = _variables(proxy, services)
    places = _places(variables["HPP_URL"], services)
    words = [re.sub(r"\{[^{}\s]+\}", lambda m: places.get(m[0], m[0]), word) for word in command]
    process: subprocess.Popen[bytes] | None = None
    came_early: list[int] = []

    def forward(number: int, _: object) -> None:
        if process is None:
            came_early.append(number)
        else:
            process.send_signal(number)

    for number in _ENDING:
        signal.signal(number, forward)
    # The terminal signals the command as well, which decides; an ignored signal it would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        process = subprocess.Popen(words, env={**os.environ, **variables})
    except OSError as error:
        raise UserError(f"{words[0]}: {os.strerror(error.errno or 0)}") from error
    for early in came_early:
        process.send_signal(early)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _leave(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _variables(proxy: FoundProxy, services: Sequence[Service]) -> Mapping[str, str]:
    """HPP_URL, and for each service NAME_URL and NAME_PORT."""
    routed = next((str(each["url"]) for each in services if each["routes"]), "")
    found = {"HPP_URL": proxy.entry.url if proxy.entry is not None else routed}
    for service in services:
        name = re.sub(r"[^A-Z0-9]", "_", str(service["name"]).upper())
        if service["url"] is not None:
            found[f"{name}_URL"] = str(service["url"])
        if service["port"] is not None:
            found[f"{name}_PORT"] = str(service["port"])
    return found


def _places(url: str, services: Sequence[Service]) -> Mapping[str, str]:
    """The values of the placeholders in the command."""
    places = {"{url}": url}
    for service in services:
        for member in ("url", "port"):
            if service[member] is not None:
                places[f"{{{service['name']}.{member}}}"] = str(service[member])
    return places
