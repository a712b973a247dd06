"""Warm starts of real servers: none is stale, all end whole, and whatever fails is a cold start."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from test.deadline import eventually
from test.harness import BACKENDS, Proxy

PYTHON = sys.executable
SERVERS = {
    "django": [PYTHON, "manage.py", "runserver", "--noreload", "{port}"],
    "flask": [PYTHON, "flask_app.py", "{port}"],
    "fastapi": [PYTHON, "-m", "uvicorn", "--port", "{port}", "fastapi_app:app"],
}


class Maker(Protocol):
    """Makes programs with --preload, all with the same cache."""

    def __call__(self, command: list[str], *options: str) -> Proxy: ...


@pytest.fixture
def preloading(project: Path, tmp_path: Path) -> Maker:
    """Makes programs with --preload in a project that has a server of each kind."""
    for name in ("flask_app.py", "fastapi_app.py", "echo.py", "django_project/manage.py"):
        shutil.copy(BACKENDS / name, project)
    (project / "version").write_text("version 0")

    def make(command: list[str], *options: str) -> Proxy:
        cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        return Proxy(project, command, "--preload", *options, environment=cache)

    return make


def warmed(proxy: Proxy) -> Proxy:
    """Wait until a start would be warm."""
    eventually(lambda: status_of(proxy)["ready"])
    return proxy


def status_of(proxy: Proxy) -> Mapping[str, object]:
    status = proxy.status()["preload"]
    assert status is not None
    return {**status}


def save(proxy: Proxy, number: int) -> bool:
    """Save a version, see that it is served and nothing else, and tell whether it came warm."""
    with proxy.restart():
        proxy.save("version", f"version {number}", by="rename" if number % 2 else "write")
    assert proxy.get("/").body == f"version {number}".encode()
    start = proxy.status()["last_start"]
    assert start is not None
    return start["warm"]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((name, 20) for name in SERVERS),
        *(pytest.param(name, 500, marks=pytest.mark.slow) for name in SERVERS),
    ],
)
def test_no_save_is_answered_by_old_code(preloading: Maker, name: str, count: int) -> None:
    with preloading(SERVERS[name]) as proxy:
        assert proxy.running().get("/").body == b"version 0"
        first = proxy.status()["last_start"]
        assert first is not None
        assert (first["warm"], first["saved_ms"]) == (False, None)
        warmed(proxy)
        warm = [save(proxy, number) for number in range(1, count + 1)]
        assert sum(warm) > 0.9 * count
        start, preload = proxy.status()["last_start"], proxy.status()["preload"]
        assert start is not None
        assert preload is not None
        assert preload["modules"] is not None
        assert preload["modules"] > 100
        assert preload["memory_bytes"] is not None
        assert preload["memory_bytes"] > 1_000_000
        assert start["saved_ms"] is not None
        proxy.wait_output(r"restarted in [\d.]+ m?s \(warm, [\d.]+ m?s saved\): version")


def test_the_next_session_knows_what_to_preload(preloading: Maker) -> None:
    with preloading(SERVERS["flask"]) as proxy:
        warmed(proxy.running())
    with preloading(SERVERS["flask"], "--ping-path", "/never") as proxy:
        # Not asked for yet: it is ready by what was learnt before.
        proxy.wait_output(r"preloaded \d+ modules")
        assert save(warmed(proxy.running()), 1)


def test_another_command_is_started_cold_and_told_why(preloading: Maker) -> None:
    with preloading(["sh", "-c", f"exec {PYTHON} echo.py {{port}}"]) as proxy:
        proxy.running()
        proxy.wait_output(r"--preload: .*; starts are cold")
        assert proxy.status()["preload"] is None


def server_of(proxy: Proxy) -> int:
    """The fork server: it is older than the process that it holds in readiness."""
    return min(held_ready(proxy))


def held_ready(proxy: Proxy) -> list[int]:
    """The fork server and that process. The first backend, which is recorded, looks alike."""
    backend = proxy.status()["pid"]
    found = proxy.left_over().items()
    return [pid for pid, line in found if line.startswith(f"{PYTHON} -c") and pid != backend]


def test_a_fork_server_that_is_killed_costs_a_cold_start(preloading: Maker) -> None:
    with preloading(SERVERS["flask"]) as proxy:
        warmed(proxy.running())
        before = server_of(proxy)
        os.kill(before, signal.SIGKILL)
        proxy.wait_output("starts are cold until another one is ready")
        assert proxy.get("/").body == b"version 0"
        warmed(proxy)
        assert server_of(proxy) != before
        assert save(proxy, 1)


def test_one_that_is_stopped_is_not_waited_for(preloading: Maker) -> None:
    with preloading(SERVERS["flask"]) as proxy:
        warmed(proxy.running())
        for pid in held_ready(proxy):
            os.kill(pid, signal.SIGSTOP)
        assert not save(proxy, 1)
        assert save(warmed(proxy), 2)


def test_it_ends_with_a_program_that_is_killed(preloading: Maker) -> None:
    with preloading(SERVERS["flask"]) as proxy:
        warmed(proxy.running())
        proxy.stop(signal.SIGKILL)
        eventually(lambda: not proxy.left_over())


@pytest.fixture
def installed(project: Path, tmp_path: Path) -> Path:
    """A virtual environment with a module that says a version, and a server that asks it."""
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(PYTHON)
    base = Path(os.path.realpath(PYTHON)).parent
    (home / "pyvenv.cfg").write_text(f"home = {base}\ninclude-system-site-packages = false\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = home / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "installed.py").write_text("VERSION = 1\n")
    (project / "app.py").write_text(
        "import http.server, json, os, sys, installed\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "        is_leader = os.getpid() == os.getsid(0)\n"
        "        told = [installed.VERSION, os.environ.get('COLOUR'), is_leader]\n"
        "        self.wfile.write(json.dumps(told).encode())\n"
        "    do_HEAD = do_GET\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    return site


def told(proxy: Proxy) -> object:
    value: object = json.loads(proxy.get("/").body)
    return value


def restarted(proxy: Proxy) -> bool:
    """Restart, and tell whether that was warm."""
    with proxy.restart():
        proxy.save("other.py", os.urandom(8).hex())
    start = proxy.status()["last_start"]
    assert start is not None
    return start["warm"]


def test_what_is_installed_anew_is_served_at_once(preloading: Maker, installed: Path) -> None:
    python = str(installed.parents[2] / "bin" / "python")
    with preloading([python, "app.py", "{port}"]) as proxy:
        warmed(proxy.running())
        assert restarted(proxy)
        assert told(proxy) == [1, None, True]
        # Of another size: Python's own cache goes by that, and by whole seconds.
        (installed / "installed.py").write_text("VERSION = 22\n")
        proxy.wait_output("installed has changed: preloading anew")
        assert not restarted(proxy)
        assert told(proxy) == [22, None, True]
        assert restarted(warmed(proxy))
        assert told(proxy) == [22, None, True]


def test_what_a_warm_start_imports_besides_is_preloaded_for_the_next(
    preloading: Maker, installed: Path, project: Path
) -> None:
    python = str(installed.parents[2] / "bin" / "python")
    (installed / "heavy.py").write_text("import decimal\n")
    with preloading([python, "app.py", "{port}"]) as proxy:
        warmed(proxy.running())
        before = status_of(proxy)["modules"]
        with proxy.restart():
            proxy.save("app.py", "import heavy\n" + (project / "app.py").read_text())
        eventually(lambda: status_of(proxy)["modules"] != before)
        assert restarted(warmed(proxy))
        assert told(proxy) == [1, None, True]


def test_a_package_that_does_not_survive_a_fork_costs_one_start(
    preloading: Maker, installed: Path, project: Path
) -> None:
    python = str(installed.parents[2] / "bin" / "python")
    (installed / "installed.py").write_text("import os\nVERSION = 1\nPID = os.getpid()\n")
    crash = "import installed, os\nif installed.PID != os.getpid(): os.abort()\n"
    (project / "app.py").write_text(crash + (project / "app.py").read_text())
    with preloading([python, "app.py", "{port}"]) as proxy:
        warmed(proxy.running())
        assert not restarted(proxy)
        assert told(proxy) == [1, None, True]
        proxy.wait_output("a warm server ended by signal SIGABRT before it answered: --preload is")
        assert status_of(proxy)["off"]
        assert not restarted(proxy)


def test_another_environment_makes_a_start_cold(
    preloading: Maker, installed: Path, project: Path
) -> None:
    python = str(installed.parents[2] / "bin" / "python")
    (project / ".env").write_text("COLOUR=red\n")
    with preloading([python, "app.py", "{port}"], "--env-file", ".env") as proxy:
        warmed(proxy.running())
        assert restarted(proxy)
        assert told(proxy) == [1, "red", True]
        with proxy.restart():
            proxy.save(".env", "COLOUR=blue\n")
        assert told(proxy) == [1, "blue", True]
        proxy.wait_output("the environment has changed: preloading anew")
        assert restarted(warmed(proxy))
        assert told(proxy) == [1, "blue", True]
