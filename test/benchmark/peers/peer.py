"""What a peer is to the benchmark."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from test.benchmark.backends import Backend


@dataclass(frozen=True, slots=True)
class Place:
    """Where a proxy is to run: the port to listen on, what is behind it, a folder for its files.

    The proxy runs in `work`, which stays as it is while it runs; its files go into `config`.
    """

    port: int
    backend: Backend
    work: Path
    config: Path


class Peer(Protocol):
    """A proxy. `starts_backend` is true of a proxy that runs the backend's command itself."""

    name: ClassVar[str]
    starts_backend: ClassVar[bool]

    def command(self, place: Place) -> tuple[str, ...]:
        """The command that serves at `place.port`; none for no proxy. Raises MissingError."""
