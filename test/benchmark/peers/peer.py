"""The interface of a peer."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from test.benchmark.backends import Backend


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a proxy: its port, its backend, and folders.

    The proxy runs in `work`, whose files do not change meanwhile; its files go into `config`.
    """

    port: int
    backend: Backend
    work: Path
    config: Path


class Peer(Protocol):
    """A proxy. `starts_backend` is true for a proxy that runs the backend's command itself."""

    name: ClassVar[str]
    starts_backend: ClassVar[bool]

    def command(self, place: Place) -> tuple[str, ...]:
        """The command that serves at `place.port`; empty without a proxy. Raises MissingError."""
