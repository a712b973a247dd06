"""Goals, and whether a run reaches them: bounds on ratios of one run, or on values."""

from collections.abc import Iterator
from dataclasses import dataclass

from test.benchmark.restart import COLD
from test.benchmark.restarters import EMBEDDED, WATCHMAN
from test.benchmark.samples import OURS, OVER_TLS, SIX_SERVICES, Results
from test.benchmark.warm import READY, WARM

GO, NODE, SYNC, NGINX = "Go", "node http-proxy", "browser-sync", "nginx"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on the figure `key` of `who`, or on its ratio to that of `against`."""

    title: str
    key: str
    bound: float
    at_least: bool = False
    against: str = ""
    who: str = OURS

    def value(self, results: Results) -> float | None:
        if self.against:
            return results.ratio(self.key, self.who, self.against)
        return results.figure(self.key, self.who)

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def wanted(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


def _restart_goals() -> Iterator[Goal]:
    for project in ("go", "node", "flask", "django"):
        key = f"restart.{project}"
        for who, bound_ms in ((EMBEDDED, 10), (WATCHMAN, 30)):
            title = f"{project}, {who}"
            yield Goal(f"{title}: restart overhead, ms", f"{key}.overhead", bound_ms, who=who)
            yield Goal(f"{title}: requests failed", f"{key}.failed", 0, who=who)
        yield Goal(f"{project}, {EMBEDDED}: requests stale", f"{key}.stale", 0, who=EMBEDDED)


def _save_goals() -> Iterator[Goal]:
    for project in ("http.server", "node", "django", "uvicorn", "gunicorn"):
        key = f"save.{project}"
        for who, kinds in ((EMBEDDED, ("page", "get")), (WATCHMAN, ("page",))):
            for kind in kinds:
                title = f"{project}, {who}: fresh at once, {kind}, %"
                yield Goal(title, f"{key}.{kind}", 100, True, who=who)
        yield Goal(f"{project}, {EMBEDDED}: GETs cut a save", f"{key}.cut", 0, who=EMBEDDED)


def _warm_goals() -> Iterator[Goal]:
    """Goals of --preload. Each round has a cold and a warm start, the first also a fork server."""
    for project, bound in (("django", 0.25), ("pandas", 0.15), ("flask", 0.35), ("fastapi", 0.35)):
        key = f"warm.{project}.start"
        yield Goal(f"{project}: warm start, to cold", key, bound, against=COLD, who=WARM)
        yield Goal(
            f"{project}: fork server ready, to cold start", key, 1.5, against=COLD, who=READY
        )


GOALS = (
    Goal("CPU per request, to Go", "browser32.cpu", 0.40, against=GO),
    Goal("requests/s, to Go", "browser32.rate", 2.0, True, GO),
    Goal("requests/s, to node http-proxy", "browser32.rate", 5.0, True, NODE),
    Goal("requests/s, to browser-sync", "browser32.rate", 12.0, True, SYNC),
    Goal("requests/s, to nginx", "browser32.rate", 0.6, True, NGINX),
    Goal("added median latency, 1 connection, to Go", "browser1.added", 0.6, against=GO),
    Goal("100 MB download, to Go", "download", 1.3, True, GO),
    Goal("WebSocket, 16 of 64 B, echoes/s, to Go", "websocket16x64.rate", 0.9, True, GO),
    Goal("CPU per request over TLS, to plain", "tls32.cpu", 2.0, against=OURS, who=OVER_TLS),
    Goal(
        "CPU per request, 6 services to 1", "services32.cpu", 1.03, against=OURS, who=SIX_SERVICES
    ),
    *_restart_goals(),
    *_save_goals(),
    *_warm_goals(),
    Goal("idle CPU, embedded watcher, % of a core", "idle.cpu", 0.5, who=EMBEDDED),
    Goal("memory when idle, MB", "idle.memory", 45),
)
