"""`hpp restart`, `stop`, `start` and `down`: they act on services, or end a proxy."""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from httpprocessproxy.admin.client import RUNNING, UNSETTLED, NoProxyError, sentence, settled
from httpprocessproxy.admin.verbs.finding import (
    FoundProxy,
    Service,
    exit_status,
    find_proxy,
    found,
)
from httpprocessproxy.admin.verbs.words import VerbParser, show
from httpprocessproxy.system.registry import ProxyRegistry

_TIMEOUT_S: Final = 60.0

_WAITS_FOR: Final = {
    "restart": "running,error",
    "start": "running,error",
    "stop": "stopped",
}
_DESCRIPTIONS: Final = {
    "restart": "Restarts services, and waits until they run.",
    "start": "Starts services that are stopped, and waits until they run.",
    "stop": "Stops services until they are started again.",
}


def restart(argv: Sequence[str]) -> int:
    """Restart services, and wait until they run; the exit status is as that of `ps`."""
    return _act("restart", argv)


def stop(argv: Sequence[str]) -> int:
    """Stop services, and wait until their processes have ended."""
    return _act("stop", argv)


def start(argv: Sequence[str]) -> int:
    """Start services that are stopped, and wait until they run."""
    return _act("start", argv)


def act(proxy: FoundProxy, verb: str, names: Sequence[str], timeout_s: float) -> Sequence[Service]:
    """Act on services at once, and return their states in the end. Raises NoProxyError."""
    asked = [proxy.client.call(f"POST /_hpp/services/{name}/{verb}")[1] for name in names]
    results = []
    for name, before in zip(names, asked, strict=True):
        after = f"&after={before['generation']}" if verb == "restart" else ""
        query = settled(timeout_s, _WAITS_FOR[verb]) + after
        _, after_wait = proxy.client.call(f"GET /_hpp/services/{name}/status{query}", timeout_s)
        results.append(after_wait)
    return results


def down(argv: Sequence[str]) -> int:
    """End a proxy with all its processes, and wait until they are gone."""
    parser = VerbParser("down", "Ends this folder's proxy, with all its services.")
    parser.add_bind()
    parser.add_argument("--all", action="store_true", help="end the proxies of all folders")
    parser.add_timeout(_TIMEOUT_S)
    line = parser.parse_args(argv)
    if line.all:
        proxies = [found(entry) for entry in ProxyRegistry.open().proxies()]
    else:
        proxies = [find_proxy(line.bind, may_start=True)]
    for proxy in proxies:
        ask_to_end(proxy)
    are_gone = [has_ended(proxy, line.timeout) for proxy in proxies]
    names = [each.entry.folder if each.entry else each.client.name for each in proxies]
    lines = [
        f"ended: {name}" if is_gone else f"still ends: {name}"
        for name, is_gone in zip(names, are_gone, strict=True)
    ]
    content = {"ended": [name for name, gone in zip(names, are_gone, strict=True) if gone]}
    show("\n".join(lines) or "no proxy runs", content, as_json=line.json)
    return RUNNING if all(are_gone) else UNSETTLED


def ask_to_end(proxy: FoundProxy) -> None:
    """Ask a proxy to end, by its API, or else by a signal. Raises NoProxyError."""
    if proxy.entry is None or proxy.entry.answers:
        try:
            proxy.client.call("POST /_hpp/down")
            return
        except NoProxyError:
            if proxy.entry is None:
                raise
    # As long as the entry is there, the pid is the proxy's.
    if not has_ended(proxy, 0):
        with suppress(ProcessLookupError):
            os.kill(proxy.entry.pid, signal.SIGTERM)


def has_ended(proxy: FoundProxy, timeout_s: float) -> bool:
    """Wait until no process of a proxy is left; return False at the timeout."""
    if proxy.entry is None:
        return True  # it is not this user's, and has answered that it ends
    registry = ProxyRegistry.open()
    return registry.wait(proxy.entry, lambda entry: entry is None, timeout_s) is None


def _act(verb: str, argv: Sequence[str]) -> int:
    parser = VerbParser(verb, _DESCRIPTIONS[verb])
    parser.add_bind()
    parser.add_timeout(_TIMEOUT_S)
    parser.add_argument("names", metavar="NAME", nargs="+", help="a service")
    line = parser.parse_args(argv)
    proxy = find_proxy(line.bind)
    names = [str(each["name"]) for each in proxy.chosen(line.names)]
    services = act(proxy, verb, names, line.timeout)
    text = "\n".join(f"{each['name']}: {sentence(each)}" for each in services)
    show(text, {"services": services}, as_json=line.json)
    return exit_status(services)
