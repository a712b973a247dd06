"""`hpp ps` and `hpp url`: the services of a proxy, and their addresses."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from httpprocessproxy.admin.client import RUNNING
from httpprocessproxy.admin.verbs.finding import FoundProxy, Service, exit_status, find_proxy
from httpprocessproxy.admin.verbs.words import VerbParser, show
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.registry import ProxyRegistry, RunningProxy

_COLUMNS: Final = ("NAME", "STATE", "GENERATION", "PID", "ADDRESS", "SINCE", "WAITS FOR")
_COLUMNS_OF_ALL: Final = ("FOLDER", "BRANCH", "PID", "URL", "SINCE", "SERVICES")


def ps(argv: Sequence[str]) -> int:
    """Print the services of a proxy; the exit status is 1 if one is in error, 3 if one loads."""
    parser = VerbParser("ps", "Shows the services of this folder's proxy.")
    parser.add_bind()
    parser.add_argument("--all", action="store_true", help="show the proxies of all folders")
    line = parser.parse_args(argv)
    if line.all:
        return _all_proxies(as_json=line.json)
    proxy = find_proxy(line.bind)
    services = proxy.services()
    rows = [_row(service) for service in services]
    about = _members(proxy.entry) if proxy.entry is not None else {}
    show(_table(_COLUMNS, rows), {**about, "services": services}, as_json=line.json)
    return exit_status(services)


def url(argv: Sequence[str]) -> int:
    """Print the URL of a proxy, or of one of its services."""
    parser = VerbParser("url", "Prints the URL of this folder's proxy, or of a service.")
    parser.add_bind()
    parser.add_argument("name", metavar="NAME", nargs="?", help="a service")
    line = parser.parse_args(argv)
    proxy = find_proxy(line.bind)
    found = _url(proxy, line.name)
    show(found, {"url": found}, as_json=line.json)
    return RUNNING


def _url(proxy: FoundProxy, name: str | None) -> str:
    """Raises UserError and NoProxyError."""
    if name is not None:
        (service,) = proxy.chosen([name])
        if service["url"] is None:
            raise UserError(f"{name} has no URL: it listens nowhere")
        return str(service["url"])
    if proxy.entry is not None:
        return proxy.entry.url
    first = next((each for each in proxy.services() if each["routes"]), None)
    if first is None:
        raise UserError("no service has a route")
    return str(first["url"])


def _all_proxies(*, as_json: bool) -> int:
    entries = ProxyRegistry.open().proxies()
    rows = [
        (
            *(_short(entry.folder), entry.branch, str(entry.pid), entry.url or "starts"),
            *(_age(entry.started), ", ".join(entry.services)),
        )
        for entry in entries
    ]
    text = _table(_COLUMNS_OF_ALL, rows) if rows else "no proxy runs"
    show(text, {"proxies": [_members(entry) for entry in entries]}, as_json=as_json)
    return RUNNING


def _members(entry: RunningProxy) -> Mapping[str, object]:
    return {name: value for name, value in entry.members().items() if name != "addresses"}


def _row(service: Service) -> Sequence[str]:
    pid, waits_for = service["pid"], service.get("waits_for", [])
    assert isinstance(waits_for, list), "the API returns a list"
    is_done = service["task"] and service["state"] == "running"
    # A server without a route may speak another protocol than HTTP.
    place = service["url"] if service["routes"] else service["port"]
    return (
        *(str(service["name"]), "done" if is_done else str(service["state"])),
        *(str(service["generation"]), "" if pid is None else str(pid), str(place or "")),
        *(_age(str(service["since"])), ", ".join(waits_for)),
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with a column for each value, as wide as its longest; a column without values is
    left out."""
    kept = [at for at in range(len(columns)) if at < 1 or any(row[at] for row in rows)]
    lines = [[row[at] or "-" for at in kept] for row in (columns, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        [word.ljust(width) for word, width in zip(line, widths, strict=True)] for line in lines
    )
    return "\n".join("  ".join(line).rstrip() for line in padded)


def _age(since: str) -> str:
    """The time since then, in its largest unit."""
    if not since:
        return ""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _short(folder: str) -> str:
    """A path as a shell shows it."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return folder
    return f"~{folder[len(home) :]}" if f"{folder}/".startswith(f"{home}/") else folder
