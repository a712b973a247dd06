"""All contestants, running at the same time, each in front of a backend of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from test.benchmark.backends import Backend
from test.benchmark.cpu import Tree
from test.benchmark.peers import PEERS
from test.benchmark.peers.peer import Peer, Place
from test.benchmark.plan import Plan
from test.benchmark.samples import Results
from test.benchmark.service import NotReadyError, answers, running, wait_ready
from test.benchmark.tools import MissingError
from test.ports import free_port

T = TypeVar("T")
MakeBackend = Callable[[Path, Path], Backend]
Ready = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A proxy that answers at `port`; `tree` has its processes, and is None without a proxy."""

    name: str
    port: int
    tree: Tree | None


@dataclass(frozen=True, slots=True)
class Bench:
    """The context of each part: plan, folder, results, and a function to print progress."""

    plan: Plan
    folder: Path
    results: Results
    say: Callable[[str], None]

    @property
    def files(self) -> Path:
        return self.folder / "files"

    def peers(self, among: Sequence[Peer] = PEERS) -> list[Peer]:
        return [peer for peer in among if not self.plan.peers or peer.name in self.plan.peers]

    def skip(self, what: str, why: object) -> None:
        # Only the last line of a traceback or log is in the table; it has the reason.
        self.results.skipped[what] = (str(why).strip().splitlines() or [type(why).__name__])[-1]
        self.say(f"{what}: skipped: {why}")

    def fault(self, what: str, why: object) -> None:
        self.results.faults.append(f"{what}: {why}")
        self.say(f"{what}: {why}")


def place(bench: Bench, make_backend: MakeBackend, name: str) -> Place:
    folder = bench.folder / name.replace(" ", "-")
    work, config = folder / "work", folder / "config"
    for path in (work, config):
        path.mkdir(parents=True, exist_ok=True)
    return Place(free_port(), make_backend(config, bench.files), work, config)


def start(stack: ExitStack, peer: Peer, at: Place, ready: Ready = answers) -> Contestant:
    """Start a peer, and its backend unless the peer does. Raises MissingError, NotReadyError."""
    command = peer.command(at)
    if not peer.starts_backend:
        backend = stack.enter_context(running(at.backend.command, at.config))
        wait_ready(backend, at.backend.port)
    if not command:
        return Contestant(peer.name, at.backend.port, None)
    service = stack.enter_context(running(command, at.work))
    wait_ready(service, at.port, ready=ready)
    return Contestant(peer.name, at.port, Tree(service.pid, without=at.backend.mark))


@contextmanager
def fleet(
    bench: Bench,
    make_backend: MakeBackend,
    among: Sequence[Peer] = PEERS,
    ready: Ready = answers,
) -> Iterator[list[Contestant]]:
    """Start all peers until the block ends; peers that cannot start are recorded as skipped."""
    with ExitStack() as stack:
        contestants = []
        for peer in bench.peers(among):
            try:
                at = place(bench, make_backend, peer.name)
                contestants.append(start(stack, peer, at, ready))
            except (MissingError, NotReadyError) as error:
                bench.skip(peer.name, error)
        yield contestants


def turns(contestants: Sequence[T], round_number: int) -> list[T]:
    """The order of a round, rotated by one in each round."""
    first = round_number % max(1, len(contestants))
    return [*contestants[first:], *contestants[:first]]
