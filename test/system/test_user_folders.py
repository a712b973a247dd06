"""Folders in a user's home, by platform."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from httpprocessproxy.system.user_folders import (
    cache_folder,
    data_folder,
    runtime_folder,
    state_folder,
)


@pytest.mark.parametrize(
    ("folder", "variable", "usual", "on_macos"),
    [
        (data_folder, "XDG_DATA_HOME", ".local/share", "Library/Application Support"),
        (cache_folder, "XDG_CACHE_HOME", ".cache", "Library/Caches"),
        (state_folder, "XDG_STATE_HOME", ".local/state", "Library/Logs"),
    ],
)
def test_folder_follows_the_platforms_rules(
    folder: Callable[[], Path],
    variable: str,
    usual: str,
    on_macos: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, str(tmp_path / "named"))
    assert folder() == tmp_path / "named/http-process-proxy"
    monkeypatch.setenv(variable, "relative")
    assert folder() == tmp_path / "home" / usual / "http-process-proxy"
    monkeypatch.delenv(variable)
    assert folder() == tmp_path / "home" / usual / "http-process-proxy"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folder() == tmp_path / "home" / on_macos / "http-process-proxy"


def test_files_of_running_programs_are_in_the_users_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    in_cache = tmp_path / "cache/http-process-proxy/run"
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert runtime_folder() == in_cache
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "missing"))
    assert runtime_folder() == in_cache
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "http-process-proxy"
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert runtime_folder() == in_cache, "the folder of another user"


@pytest.mark.parametrize("folder", [data_folder, cache_folder])
def test_user_without_a_home_raises(
    folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(RuntimeError):
        folder()
