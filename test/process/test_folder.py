"""The working directory that is removed, recreated, or renamed."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.process.folder import WorkingDirectory


def test_recreated_directory_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    directory = WorkingDirectory()
    assert not directory.enter()
    path.rmdir()
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match=f"make {path} again"):
            directory.enter()
    path.mkdir()
    assert directory.enter()
    assert Path.cwd() == path
    assert not directory.enter()


def test_renamed_directory_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    directory = WorkingDirectory()
    path.rename(tmp_path / "other")
    assert not directory.enter()
    assert os.getcwd() == str(tmp_path / "other")
