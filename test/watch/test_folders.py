"""The index of watched folders: what a rename takes away, and how long that takes."""

import asyncio
import time
from contextlib import closing
from pathlib import Path

import pytest

from test.watch.watching import Reports

pytest.importorskip("asyncinotify", reason="inotify is of Linux")

from asyncinotify import Mask, Watch

from httpprocessproxy.watch.folders import Folders
from httpprocessproxy.watch.inotify import Tree


class Numbered(Watch):
    """A watch of no inotify."""

    def __init__(self, number: int) -> None:
        self._wd, self._path, self._mask = number, Path(), Mask.CREATE

    @property
    def wd(self) -> int:
        return self._wd


def filled(*paths: str) -> Folders:
    folders = Folders()
    for number, path in enumerate(paths):
        folders.add(path, Numbered(number))
    return folders


def test_drop_forgets_what_is_below_and_nothing_else() -> None:
    folders = filled("", "a", "a/b", "a/b/c", "ab")
    folders.holds("a/b", "a/b/x.py")
    folders.holds("ab", "ab/y.py")
    watched, files = folders.drop("a")
    assert {path for path, _ in watched} == {"a", "a/b", "a/b/c"}
    assert files == {"a/b/x.py"}
    assert (folders.path(2), folders.path(4), folders.path(0)) == (None, "ab", "")
    assert folders.drop("a") == ([], set())


def test_folder_below_one_that_is_not_watched_is_dropped_with_it() -> None:
    folders = filled("", "a/b/c")
    assert [path for path, _ in folders.drop("a")[0]] == ["a/b/c"]


def test_folder_made_again_outlives_the_end_of_the_first() -> None:
    folders = filled("", "a")
    folders.add("a", Numbered(7))
    folders.holds("a", "a/x.py")
    folders.end(1)
    assert folders.path(7) == "a"
    assert folders.drop("a")[1] == {"a/x.py"}


def test_folder_seen_by_another_path_has_that_path_only() -> None:
    folders = filled("", "a")
    folders.add("b", Numbered(1))
    assert folders.drop("a")[0] == []
    assert folders.path(1) == "b"


def test_renames_in_a_large_tree_take_time_by_their_number_alone(project: Path) -> None:
    for number in range(8000):
        (project / f"{number // 100}" / f"{number % 100}").mkdir(parents=True)

    async def main() -> None:
        reports = Reports(project)
        with closing(Tree(reports.task)) as tree:
            for number in range(1000):
                folder = project / f"{number // 100}" / f"{number % 100}"
                folder.rename(folder.with_name(f"renamed {number}"))
            (project / "last").touch()
            began_s = time.process_time()
            while "last" not in tree.read():
                pass
            # An index takes 0.1 s; a look at every folder for each rename, 4 s.
            assert time.process_time() - began_s < 1.0

    asyncio.run(main())
