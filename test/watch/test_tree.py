"""The walk: the folders it enters, the files it finds, and the links it does not follow."""

from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch.scope import Scope
from httpprocessproxy.watch.tree import leads_above, walk


def walked(root: Path, *excludes: str, top: str = "") -> tuple[list[str], set[str]]:
    """The folders in the order of entering, each real folder once, and the files."""
    entered: list[str] = []
    seen: set[int] = set()

    def enter(folder: str) -> bool:
        inode = (root / folder).stat().st_ino
        if inode in seen:
            return False
        seen.add(inode)
        entered.append(folder)
        return True

    folders = walk(root, Scope(Patterns([], excludes, True)), top, enter)
    files = {prefix + entry.name for prefix, entries in folders for entry in entries}
    return entered, files


def test_walk_finds_all_files_below_the_top(project: Path) -> None:
    (project / "a" / "b").mkdir(parents=True)
    for file in ("1", "a/2", "a/b/3"):
        (project / file).touch()
    assert walked(project) == (["", "a", "a/b"], {"1", "a/2", "a/b/3"})
    assert walked(project, top="a") == (["a", "a/b"], {"a/2", "a/b/3"})


def test_excluded_folders_are_not_entered(project: Path) -> None:
    for folder in ("node_modules/x", "src/__pycache__", ".git/objects", "gen"):
        (project / folder).mkdir(parents=True)
    assert walked(project, "gen/**") == (["", "src"], set())


def test_links_come_last_and_are_entered_once(project: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "deep" / "1").touch()
    (project / "a link").symlink_to(tmp_path / "outside")
    (project / "b link").symlink_to(tmp_path / "outside" / "deep")
    (project / "folder").mkdir()
    (project / "folder" / "2").touch()
    (project / "link").symlink_to("folder")

    entered, files = walked(project)

    assert entered[:2] == ["", "folder"]
    assert "link" not in entered
    assert len(entered) == 4
    assert len(files) == 2


@pytest.mark.parametrize(
    ("target", "leads"),
    [("..", True), (".", True), ("/", True), ("folder", False), ("../other", False)],
)
def test_link_that_leads_above_the_root_is_not_entered(
    project: Path, tmp_path: Path, target: str, leads: bool
) -> None:
    (project / "folder").mkdir()
    (tmp_path / "other").mkdir()
    (project / "link").symlink_to(target)
    assert leads_above(project, "link") is leads
    assert ("link" in walked(project)[0]) is (target == "../other")


def test_dangling_or_circular_link_is_a_file(project: Path) -> None:
    (project / "nowhere").symlink_to("missing")
    (project / "itself").symlink_to("itself")
    assert walked(project) == ([""], {"nowhere", "itself"})


def test_folder_removed_during_the_walk_is_skipped(project: Path) -> None:
    (project / "a").mkdir()

    def enter(folder: str) -> bool:
        if folder == "a":
            (project / "a").rmdir()
        return True

    scope = Scope(Patterns([], [], True))
    assert list(walk(project, scope, "", enter)) == [("", []), ("a/", [])]
