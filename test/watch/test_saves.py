"""Every watcher reports one changed file for one save, for each editor's way to save."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from test.watch.watching import run, watching


def in_place(file: Path) -> None:
    """Save as VS Code does."""
    file.write_text("new content")


def by_rename(file: Path) -> None:
    """Save as most other editors do."""
    file.with_name("a.py~").write_text("new content")
    file.with_name("a.py~").replace(file)


def like_vim(file: Path) -> None:
    """Save as Vim does with 'backupcopy=no'."""
    file.with_name("4913").touch()
    file.with_name("4913").unlink()
    file.with_name(".a.py.swp").write_text("swap")
    file.rename(file.with_name("a.py~"))
    file.write_text("new content")
    file.with_name("a.py~").unlink()
    file.with_name(".a.py.swp").unlink()


def like_jetbrains(file: Path) -> None:
    file.with_name("a.py___jb_tmp___").write_text("new content")
    file.rename(file.with_name("a.py___jb_old___"))
    file.with_name("a.py___jb_tmp___").rename(file)
    file.with_name("a.py___jb_old___").unlink()


def delete(file: Path) -> None:
    file.unlink()


def touch(file: Path) -> None:
    os.utime(file)


def replace_by_an_older_one(file: Path) -> None:
    """Replace the file as `mv` or unpacking an archive does; the size stays the same."""
    other = file.with_name(".#other")
    other.write_text("old content")
    os.utime(other, (1, 1))
    other.replace(file)


def write_and_set_back_the_time(file: Path) -> None:
    file.write_text("new content")
    os.utime(file, (1, 1))


def replace_by_a_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("elsewhere")


SAVES = [
    *(in_place, by_rename, like_vim, like_jetbrains, delete, touch),
    *(replace_by_an_older_one, write_and_set_back_the_time, replace_by_a_link),
]


@pytest.mark.parametrize("save", SAVES)
def test_save_reports_one_file(name: WatcherName, project: Path, save: object) -> None:
    assert callable(save)
    if (name, save) == ("watchman", write_and_set_back_the_time):
        pytest.skip("the first time, this looks as chmod does to Watchman")
    file = project / "src" / "a.py"
    file.parent.mkdir()
    file.write_text("the content")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            save(file)
            await reports.see("src/a.py")
            assert await reports.all() == {"src/a.py"}

    run(main())


def change_mode(file: Path) -> None:
    file.chmod(0o777)


def open_to_write(file: Path) -> None:
    file.open("r+").close()


def read(file: Path) -> None:
    file.read_text()


def link(file: Path) -> None:
    """Add a hard link, which changes the file's inode."""
    os.link(file, file.with_name("another~"))


def make_and_remove_a_folder(file: Path) -> None:
    (file.parent / "folder").mkdir()
    (file.parent / "folder").rmdir()


def write_bytecode(file: Path) -> None:
    (file.parent / "__pycache__").mkdir()
    (file.parent / "__pycache__" / "a.cpython-311.pyc").write_text("")


def install_packages(file: Path) -> None:
    (file.parent / "node_modules" / "x").mkdir(parents=True)
    (file.parent / "node_modules" / "x" / "index.js").write_text("")


@pytest.mark.parametrize(
    "act",
    [
        *(change_mode, open_to_write, read, link),
        *(make_and_remove_a_folder, write_bytecode, install_packages),
    ],
)
def test_act_without_a_change_of_content_is_not_reported(
    name: WatcherName, project: Path, act: object
) -> None:
    assert callable(act)
    if (name, act) == ("watchman", link):
        pytest.skip("to Watchman, a new name beside a file looks as a rename over the file")
    # A separate folder, by whose time the Watchman watcher distinguishes chmod from a rename.
    (project / "src").mkdir()
    file = project / "src" / "a.py"
    file.write_text("the content")
    # Much older than the watcher: no event from before may be taken for a new one.
    for path in (file, file.parent):
        os.utime(path, (1_000_000_000, 1_000_000_000))

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            act(file)
            assert await reports.all() == set()

    run(main())
