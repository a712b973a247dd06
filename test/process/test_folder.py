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


def test_recreated_directory_is_new_to_each_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "project"
    path.mkdir()
    monkeypatch.chdir(path)
    directories = [WorkingDirectory() for _ in range(2)]
    path.rename(tmp_path / "old")  # keeps its inode, which the new one could have otherwise
    path.mkdir()
    assert [directory.enter() for directory in directories] == [True, True]
    assert [directory.enter() for directory in directories] == [False, False]


def test_recreated_directory_of_a_service_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "frontend"
    folder.mkdir()
    directory, other = WorkingDirectory(folder), WorkingDirectory()
    assert not directory.enter()
    folder.rename(tmp_path / "old")
    assert directory.enter()
    folder.mkdir()
    assert directory.enter()
    assert not directory.enter()
    assert not other.enter()
    assert Path.cwd() == tmp_path
