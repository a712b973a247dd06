"""Durations and repetitions: of the full run, and of the quick one, which only tries all parts."""

from dataclasses import dataclass

PARTS = (
    *("load", "tls", "services", "front", "transfer", "websocket", "stall"),
    *("restart", "saves", "warm", "idle", "share", "archive"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run: numbers, durations in seconds, sizes in bytes. Empty names mean all."""

    rounds: int = 5
    warm_up_s: int = 1
    wrk_s: int = 3
    websocket_s: float = 2.0
    bulk_bytes: int = 100_000_000
    stalled_clients: int = 50
    saves: int = 50  # the start of a server varies by more than the proxy adds
    asks: int = 20  # requests of each kind right after a save
    cuts: int = 10  # saves under load
    starts: int = 15
    idle_s: float = 30.0
    idle_rounds: int = 1
    idle_tabs: int = 50
    idle_files: int = 50_000
    peers: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


FULL = Plan()
QUICK = Plan(
    rounds=1,
    warm_up_s=0,
    wrk_s=1,
    websocket_s=0.3,
    bulk_bytes=20_000_000,
    stalled_clients=10,
    saves=2,
    asks=2,
    cuts=1,
    starts=1,
    idle_s=2.0,
    idle_tabs=5,
    idle_files=1_000,
    peers=("no proxy", "http-process-proxy", "nginx", "Go", "http-process-asgi", "hypercorn"),
    backends=("python", "node"),
)
