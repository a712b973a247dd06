"""Atomic writing of files."""

import os
import stat
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.saving import write_atomically
from httpprocessproxy.core.errors import UserError


def test_file_is_replaced_at_the_end_of_the_context(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with write_atomically(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_exception_leaves_no_file(error: type[BaseException], tmp_path: Path) -> None:
    def fail() -> None:
        with write_atomically(tmp_path / "out") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert not list(tmp_path.iterdir())


def test_target_of_a_symbolic_link_is_replaced(tmp_path: Path) -> None:
    link, folder = tmp_path / "link", tmp_path / "folder"
    folder.mkdir()
    link.symlink_to(folder / "file")
    with write_atomically(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (folder / "file").read_bytes() == b"new"


def test_file_mode_respects_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with write_atomically(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["folder", "pipe", "nowhere/out"])
def test_path_that_cannot_be_a_file_raises_user_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=name), write_atomically(tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
