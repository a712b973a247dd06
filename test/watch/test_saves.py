"""One save is one file that changed, for every watcher, whichever way an editor goes about it."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from test.watch.watching import run, watching


def in_place(file: Path) -> None:
    """As VS Code saves."""
    file.write_text("new content")


def by_rename(file: Path) -> None:
    """As most others save."""
    file.with_name("a.py~").write_text("new content")
    file.with_name("a.py~").replace(file)


def like_vim(file: Path) -> None:
    """Vim's 'backupcopy=no'."""
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
    """As `mv` does, or an archive that is unpacked; the size is the same."""
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
def test_a_save_is_that_of_one_file(name: WatcherName, project: Path, save: object) -> None:
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
    """Changes the number of names, which is a property of the file."""
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
def test_what_is_no_change(name: WatcherName, project: Path, act: object) -> None:
    assert callable(act)
    if (name, act) == ("watchman", link):
        pytest.skip("to Watchman, a new name beside a file looks as a rename over the file")
    # In a folder of its own, whose time tells Watchman's chmod from a rename.
    (project / "src").mkdir()
    file = project / "src" / "a.py"
    file.write_text("the content")
    # Older than the watcher, by far: nothing of its past may be taken for new.
    for path in (file, file.parent):
        os.utime(path, (1_000_000_000, 1_000_000_000))

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            act(file)
            assert await reports.all() == set()

    run(main())
