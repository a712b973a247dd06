"""Relays as real processes."""

import http.client
import os
import re
import sys
from pathlib import Path
from typing import Self

from test import processes
from test.deadline import PATIENCE_S, eventually
from test.spoken import Spoken
from test.wire import Message, Wire

DOMAIN = "example.test"
TOKEN = "secret-of-{}"


def host_of(name: str) -> str:
    return f"{name}.{DOMAIN}"


def without_debug_mode() -> dict[str, str]:
    """The environment without asyncio's debug mode, which is for the event loops of the tests."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}


class Relay(Spoken):
    """A running relay with hosts NAME.example.test."""

    what = "relay"

    def __init__(self, tokens: Path, *options: str) -> None:
        super().__init__()
        self.arguments = [
            *(sys.executable, "-m", "httpprocessproxy.companions.share.relay.cli", "127.0.0.1:0"),
            *("--domain", DOMAIN, "--tokens", str(tokens), *options),
        ]
        self.port = 0

    def __enter__(self) -> Self:
        self.start(self.arguments, without_debug_mode())
        self.port = int(self.wait_line(r"relay for .* on .*:(\d+)")[1])
        return self

    # Visitors

    def connect(self) -> Wire:
        return Wire.connect(self.port)

    def connection(self) -> http.client.HTTPConnection:
        """A connection of the standard library's HTTP client."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def get(
        self, target: str, host: str = DOMAIN, method: str = "GET", body: bytes = b"", **more: str
    ) -> Message:
        """Send one request on a new connection. `X_Name="v"` sends `X-Name: v`."""
        with self.connect() as wire:
            wire.send(request(target, host, method, body, **more))
            return wire.response(method.encode())

    def level(self, name: str) -> float:
        """The value of a metric in /metrics; 0 if it is absent."""
        found = re.search(rf"^hpp_relay_{re.escape(name)} (\S+)$", self.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def waiting(self, name: str) -> float:
        """The number of waiting calls of a host's workers."""
        return self.level(f'waiting_calls{{host="{host_of(name)}"}}')

    def metrics(self) -> str:
        return self.get("/metrics").body.decode()

    def wait_level(self, name: str, value: float) -> None:
        eventually(lambda: self.level(name) == value)

    def memory_bytes(self) -> int:
        return processes.rss_bytes(self.process.pid)


def request(target: str, host: str, method: str = "GET", body: bytes = b"", **more: str) -> bytes:
    """A request as bytes."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def write_tokens(path: Path, *names: str) -> Path:
    path.write_text("".join(f"{name} {TOKEN.format(name)}\n" for name in names))
    return path
