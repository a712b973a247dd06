"""Folders in a user's home, by platform."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from httpprocessproxy.system.user_folders import cache_folder, data_folder


@pytest.mark.parametrize(
    ("folder", "variable", "usual", "on_macos"),
    [
        (data_folder, "XDG_DATA_HOME", ".local/share", "Library/Application Support"),
        (cache_folder, "XDG_CACHE_HOME", ".cache", "Library/Caches"),
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
