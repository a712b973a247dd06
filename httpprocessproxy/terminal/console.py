"""The proxy's own lines in the terminal, on stderr: for people, or as JSON for programs.

The rule: a line never interrupts a line of the backend (`Output.write` ensures that) and has no
colours; the backend's own output passes unchanged.

With `--json-logs` a line is an object with "time", "level", "event" and the members of the message.
"""

import contextlib
import json
import logging
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Final, Protocol

from httpprocessproxy import __version__
from httpprocessproxy.config import Config, TerminalConfig, WatchConfig
from httpprocessproxy.core.lines import enumeration
from httpprocessproxy.events import (
    INFO,
    Event,
    EventBus,
    HopReported,
    Notice,
    Refreshed,
    RequestEnded,
    StateChanged,
    VisitEnded,
    to_json,
)
from httpprocessproxy.terminal.log_lines import LogLines
from httpprocessproxy.terminal.service_lines import service_lines, service_members
from httpprocessproxy.terminal.shortcuts import keys_of_services

# A longer command or list of globs is cut: the user knows it, and space is scarce.
_MAX_LENGTH = 64

# Control characters that JSON does not escape (C1, DEL), and those of text direction. In a file
# name they would control the terminal that shows the line.
_UNSEEN: Final = re.compile("[\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")

NOTHING: Final[Mapping[str, str]] = {}

_LOGGED: Final = (StateChanged, Notice, Refreshed, VisitEnded, HopReported)


class LineWriter(Protocol):
    """Prints whole lines."""

    def __call__(
        self, text: str, service: str | None = None, *, is_important: bool = False
    ) -> None:
        """Print lines, about a service if it is set.

        Those that are not important are hidden while another service is shown alone.
        """


class Console(logging.Handler):
    """Writes messages of the event bus, log records and the start."""

    def __init__(self, config: Config, write: LineWriter, *, has_keys: bool) -> None:
        """`has_keys`: the terminal has keys, so the start lines mention the one for help."""
        super().__init__()
        self._config = config
        self._write = write
        self._has_keys = has_keys
        self._keys = keys_of_services(config)
        self._lines = LogLines(debug=config.terminal.debug)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    @contextlib.contextmanager
    def listening(self, bus: EventBus) -> Iterator[None]:
        """Write events of the bus and log records while the context is open."""
        kinds = [*_LOGGED, *[RequestEnded] * self._config.terminal.log_requests]
        root = logging.getLogger()
        before = root.level
        root.setLevel(logging.DEBUG if self._config.terminal.debug else logging.WARNING)
        root.addHandler(self)
        try:
            with bus.subscribe(kinds, self.on_event):
                yield
        finally:
            root.removeHandler(self)
            root.setLevel(before)

    def on_event(self, event: Event) -> None:
        """Write the lines of an event, if it has any at this verbosity."""
        texts = self._lines.of(event)
        if self._config.terminal.quiet and event.level == INFO:
            return
        if self._config.terminal.json_logs:
            self._write_json(event.level, event.topic, to_json(event))
            return
        for text in texts:
            self._write(text, _service(event), is_important=event.level != INFO)

    def start(
        self,
        urls: Sequence[str],
        dashboard_urls: Sequence[str],
        watcher: str,
        livereload_port: int,
        notes: Mapping[str, str] = NOTHING,
    ) -> None:
        """Write the start lines: URLs, command and watched files, then `notes`, each by its name.

        `livereload_port` is 0 without a LiveReload port.
        """
        members = {
            "urls": urls,
            "dashboard": dashboard_urls[0],
            "dashboard_urls": dashboard_urls,
            **self._service_members(),
            "config": None if self._config.file is None else str(self._config.file),
            "watcher": watcher,
            "livereload_port": livereload_port or None,
            **notes,
        }
        if self._config.terminal.quiet:
            return
        if self._config.terminal.json_logs:
            self._write_json(INFO, "start", members)
        else:
            shown = [
                *self._block(urls, dashboard_urls, watcher, livereload_port),
                *_lines(notes),
            ]
            self._write("\n".join([*shown, *["  keys        ? for help"] * self._has_keys]))

    def show(self, text: str) -> None:
        """Write the answer to a key, also with --quiet."""
        self._write(answer(self._config.terminal, text))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log record of a library or of a module of this package."""
        text = self.format(record)
        if self._config.terminal.json_logs:
            self._write_json(record.levelname.lower(), "log", {"text": text})
        else:
            self._write(text)

    def _write_json(self, level: str, event: str, members: Mapping[str, object]) -> None:
        self._write(_json_line(level, event, members))

    def _service_members(self) -> Mapping[str, object]:
        if len(self._config.services) > 1:
            return {"services": service_members(self._config)}
        service = self._config.service
        return {
            "command": service.command,
            "backend": str(service.address),
            "patterns": service.watch.patterns or ("**/*",),
            "refresh": service.watch.refresh,
        }

    def _block(
        self,
        urls: Sequence[str],
        dashboard_urls: Sequence[str],
        watcher: str,
        livereload_port: int,
    ) -> Iterator[str]:
        yield f"http-process-proxy {__version__}"
        for url in urls:
            yield f"  open        {url}"
        yield f"  dashboard   {' or '.join(dashboard_urls)}"
        services = self._config.services
        if len(services) > 1:
            lines = service_lines(self._config, self._keys if self._has_keys else {})
            for name, line in zip_longest(["services"], lines, fillvalue=""):
                yield f"  {name:<11} {_cut(line)}"
        else:
            (service,) = services
            yield f"  server      {_cut(f'{service.address}: {shlex.join(service.command)}')}"
        patterns = [glob for service in services for glob in _patterns(service.watch)]
        if patterns:
            yield f"  watching    {_cut(enumeration(patterns, shown=3))}"
        if self._config.file is not None:
            yield f"  configured  {self._config.file}"
        refresh = [glob for service in services for glob in service.watch.refresh]
        if refresh:
            yield f"  refreshing  {_cut(enumeration(refresh, shown=3))}"
        yield f"  watcher     {watcher}"
        if livereload_port:
            yield f"  LiveReload  port {livereload_port}"


def answer(config: TerminalConfig, text: str) -> str:
    """The line of the answer to a key."""
    return _json_line(INFO, "answer", {"text": text}) if config.json_logs else text


def _json_line(level: str, event: str, members: Mapping[str, object]) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "level": level, "event": event, **members}
    line.pop("type", None)
    return _UNSEEN.sub(_escaped, json.dumps(line, ensure_ascii=False))


def _service(event: Event) -> str | None:
    """The service that an event is about."""
    match event:
        case StateChanged() | Notice() | Refreshed():
            return event.service
        case RequestEnded():
            return event.row.service
    return None


def _patterns(watch: WatchConfig) -> Sequence[str]:
    """The globs of the files that restart a service."""
    return (watch.patterns or ("**/*",)) if watch.restarts else ()


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _lines(notes: Mapping[str, str]) -> list[str]:
    return [f"  {name:<11} {text}" for name, text in notes.items()]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 3]}..."
