"""Restarters, which restart a server at a save: http-process-proxy, and its peers."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from test.benchmark.peers import ours
from test.benchmark.projects import WITH_PANDAS, Project
from test.benchmark.samples import OURS
from test.benchmark.service import answers, get
from test.benchmark.tools import MissingError, npm_program, program, venv_program, warm_program
from test.ports import free_port

EMBEDDED = f"{OURS} (embedded)"
WATCHMAN = f"{OURS} (Watchman)"
PRELOADED = f"{OURS} (--preload)"


@dataclass(frozen=True, slots=True)
class Restarter:
    """`command` serves a project at a port and restarts it; it raises MissingError.

    `projects` are the names of the projects that it can serve, empty for all. `ready` returns,
    by the port, whether the restarter is fully ready.
    """

    name: str
    command: Callable[[Project, int], tuple[str, ...]]
    projects: tuple[str, ...] = ()
    ready: Callable[[int], bool] = answers


def _ours(project: Project, port: int, watcher: str, *options: str) -> tuple[str, ...]:
    backend_port = free_port()
    backend = project.command(backend_port)
    return ours.command(port, backend_port, backend, ("--watcher", watcher, *options))


def _preloaded(project: Project, port: int) -> tuple[str, ...]:
    return _ours(project, port, "embedded", "--preload")


def _has_preloaded(port: int) -> bool:
    return answers(port) and b'"ready": true' in get(port, "/_hpp/status")


def _embedded(project: Project, port: int) -> tuple[str, ...]:
    return _ours(project, port, "embedded")


def _watchman(project: Project, port: int) -> tuple[str, ...]:
    program("watchman")
    if importlib.util.find_spec("pywatchman") is None:
        raise MissingError("pywatchman is not installed")
    return _ours(project, port, "watchman")


def _nodemon(project: Project, port: int) -> tuple[str, ...]:
    return (program("node"), npm_program("nodemon"), "--quiet", "app.js", str(port))


def _flask(project: Project, port: int) -> tuple[str, ...]:
    return (*project.command(port), "--reload")


def _django(project: Project, port: int) -> tuple[str, ...]:
    return tuple(word for word in project.command(port) if word != "--noreload")


def _uvicorn(project: Project, port: int) -> tuple[str, ...]:
    if project is WITH_PANDAS:
        application = ("site_.asgi:application", "--port", str(port), "--log-level", "warning")
        return (warm_program("uvicorn"), *application, "--reload")
    return (*project.command(port), "--reload")


def _gunicorn(project: Project, port: int) -> tuple[str, ...]:
    return (*project.command(port), "--reload")


def _hupper(project: Project, port: int) -> tuple[str, ...]:
    return (venv_program("hupper"), "-m", "app", str(port))


RESTARTERS = (
    Restarter(EMBEDDED, _embedded),
    Restarter(WATCHMAN, _watchman),
    Restarter(PRELOADED, _preloaded, ("flask", "django", "uvicorn", "pandas"), _has_preloaded),
    Restarter("nodemon", _nodemon, ("node",)),
    Restarter("Flask's reloader", _flask, ("flask",)),
    Restarter("Django's reloader", _django, ("django", "pandas")),
    Restarter("uvicorn --reload", _uvicorn, ("uvicorn", "pandas")),
    Restarter("gunicorn --reload", _gunicorn, ("gunicorn",)),
    Restarter("hupper", _hupper, ("python", "http.server")),
)
