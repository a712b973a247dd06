"""Files that are there when they are whole."""

import os
import stat
from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.saving import whole
from httpprocessproxy.core.errors import UserError


def test_what_was_written_is_there_at_the_end_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with whole(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_is_left_of_what_failed(error: type[BaseException], tmp_path: Path) -> None:
    def fail() -> None:
        with whole(tmp_path / "out") as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_link_is_followed(tmp_path: Path) -> None:
    link, folder = tmp_path / "link", tmp_path / "folder"
    folder.mkdir()
    link.symlink_to(folder / "file")
    with whole(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert (folder / "file").read_bytes() == b"new"


def test_the_users_mask_is_kept(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with whole(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["folder", "pipe", "nowhere/out"])
def test_where_no_file_can_be(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=name), whole(tmp_path / name):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
