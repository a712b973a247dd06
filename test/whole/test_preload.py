"""Warm starts of real servers are never stale."""

import shutil
import sys
from pathlib import Path

import pytest

from test.harness import BACKENDS, Proxy
from test.preloaded import Preloaded, preload_of, warmed

PYTHON = sys.executable
SERVERS = {
    "django": (PYTHON, "manage.py", "runserver", "--noreload", "{port}"),
    "flask": (PYTHON, "flask_app.py", "{port}"),
    "fastapi": (PYTHON, "-m", "uvicorn", "--port", "{port}", "fastapi_app:app"),
}


@pytest.fixture
def source(project: Path) -> Path:
    """A project with one server of each kind."""
    for name in ("flask_app.py", "fastapi_app.py", "django_project/manage.py"):
        shutil.copy(BACKENDS / name, project)
    (project / "version").write_text("version 0")
    return project


def save(proxy: Proxy, number: int) -> bool:
    """Save a version, assert that it is served, and return whether the start was warm."""
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
def test_request_after_a_save_is_answered_by_the_new_code(
    source: Path, tmp_path: Path, name: str, count: int
) -> None:
    with Preloaded(source, tmp_path / "cache", SERVERS[name]).proxy() as proxy:
        assert proxy.running().get("/").body == b"version 0"
        first = proxy.status()["last_start"]
        assert first is not None
        assert (first["warm"], first["saved_ms"]) == (False, None)
        warmed(proxy)
        warm = [save(proxy, number) for number in range(1, count + 1)]
        assert sum(warm) > 0.9 * count
        start, preload = proxy.status()["last_start"], preload_of(proxy)
        assert start is not None
        assert start["saved_ms"] is not None
        assert (preload["modules"] or 0) > 100
        assert (preload["memory_bytes"] or 0) > 1_000_000
        proxy.wait_output(r"restarted in [\d.]+ m?s \(warm, [\d.]+ m?s saved\): version")


def test_command_that_cannot_be_preloaded_starts_cold(source: Path, tmp_path: Path) -> None:
    command = ("sh", "-c", f"exec {PYTHON} flask_app.py {{port}}")
    with Preloaded(source, tmp_path / "cache", command).proxy() as proxy:
        proxy.running()
        proxy.wait_output(r"--preload: .*; starts are cold")
        assert proxy.status()["preload"] is None
