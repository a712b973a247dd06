"""The index of watched folders: the folders removed by a rename, and the cost of renames."""

import asyncio
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from test.watch.watching import Reports

if sys.platform != "linux":
    pytest.skip("inotify is of Linux", allow_module_level=True)

from httpprocessproxy.watch.folders import Folders
from httpprocessproxy.watch.inotify import Tree


def filled(*paths: str) -> Folders:
    folders = Folders()
    for number, path in enumerate(paths):
        folders.add(path, number)
    return folders


def test_drop_removes_exactly_the_folders_below() -> None:
    folders = filled("", "a", "a/b", "a/b/c", "ab")
    folders.holds("a/b", "a/b/x.py")
    folders.holds("ab", "ab/y.py")
    watched, files = folders.drop("a")
    assert watched == {"a": 1, "a/b": 2, "a/b/c": 3}
    assert files == {"a/b/x.py"}
    assert (folders.path(2), folders.path(4), folders.path(0)) == (None, "ab", "")
    assert folders.drop("a") == ({}, set())


def test_folder_below_an_unwatched_folder_is_dropped_with_it() -> None:
    folders = filled("", "a/b/c")
    assert folders.drop("a")[0] == {"a/b/c": 1}


def test_folder_made_again_outlives_the_end_of_the_first() -> None:
    folders = filled("", "a")
    folders.add("a", 7)
    folders.holds("a", "a/x.py")
    folders.end(1)
    assert folders.path(7) == "a"
    assert folders.drop("a")[1] == {"a/x.py"}


def test_folder_added_by_another_path_loses_the_first() -> None:
    folders = filled("", "a")
    folders.add("b", 1)
    assert folders.drop("a")[0] == {}
    assert folders.path(1) == "b"


def test_cost_of_renames_depends_on_their_number_not_on_the_tree(project: Path) -> None:
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
            # The index takes 0.1 s; a scan of all folders for each rename would take 4 s.
            assert time.process_time() - began_s < 1.0

    asyncio.run(main())
