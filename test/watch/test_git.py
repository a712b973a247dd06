"""Git's ignore rules: those of folders, of the repository and of the user."""

import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.watch.git import WorkTree


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of a user without git settings."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    return home


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "repository")
    return tmp_path / "repository"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def around(root: Path) -> WorkTree:
    found = WorkTree.around(root)
    assert found is not None
    return found


def test_gitignore_applies_without_a_repository(tmp_path: Path) -> None:
    write(tmp_path / "project" / ".gitignore", "log/\n")
    write(tmp_path / ".gitignore", "*\n")
    tree = around(tmp_path / "project")
    assert tree.ignores("log/a.log")
    assert not tree.ignores("a.py")


def test_nearest_gitignore_decides(repository: Path) -> None:
    write(repository / ".gitignore", "*.log\n/gen\n")
    write(repository / "src" / ".gitignore", "!*.log\n*.tmp\n/out\n")
    tree = around(repository)
    assert tree.ignores("a.log")
    assert not tree.ignores("src/a.log")
    assert tree.ignores("src/deep/a.tmp")
    assert not tree.ignores("a.tmp")
    assert tree.ignores_folder("gen")
    assert not tree.ignores_folder("src/gen")
    assert tree.ignores_folder("src/out")
    assert not tree.ignores_folder("src/deep/out")


def test_ignored_folder_ignores_its_files_despite_later_rules(repository: Path) -> None:
    write(repository / ".gitignore", "build/\n!build/keep.py\n")
    write(repository / "build" / ".gitignore", "!*\n")
    assert around(repository).ignores("build/keep.py")
    assert around(repository).ignores_folder("build/deep")


def test_subfolder_as_root_inherits_the_rules_above(repository: Path) -> None:
    write(repository / ".gitignore", "*.log\n/service/gen\n")
    (repository / "service").mkdir()
    tree = around(repository / "service")
    assert tree.ignores("a.log")
    assert tree.ignores("gen/a.py")
    assert not tree.ignores("service/gen/a.py")


def test_project_ignored_by_an_outer_repository_has_no_work_tree(repository: Path) -> None:
    """A home directory under git often ignores every project in it."""
    write(repository / ".gitignore", "*\n")
    (repository / "project" / "deep").mkdir(parents=True)
    assert WorkTree.around(repository / "project") is None
    assert WorkTree.around(repository / "project" / "deep") is None


def test_info_exclude_precedes_the_users_rules(repository: Path, home: Path) -> None:
    write(repository / ".git" / "info" / "exclude", "mine\n!both\n")
    write(home / ".config" / "git" / "ignore", "*.swap\nboth\n")
    tree = around(repository)
    assert tree.ignores("deep/mine")
    assert tree.ignores("a.swap")
    assert not tree.ignores("both")


def test_users_rules_are_read_from_core_excludesfile(repository: Path, tmp_path: Path) -> None:
    write(tmp_path / "rules", "*.swap\n")
    git(repository, "config", "core.excludesFile", str(tmp_path / "rules"))
    assert around(repository).ignores("a.swap")


def test_users_rules_are_read_from_the_default_path_without_git(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "settings" / "git" / "ignore", "*.swap\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("PATH", "")
    assert around(repository).ignores("a.swap")


def test_second_work_tree_shares_info_exclude(repository: Path, tmp_path: Path) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git(repository, *author, "commit", "--quiet", "--allow-empty", "--message=first")
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "second"))
    write(repository / ".git" / "info" / "exclude", "mine\n")
    assert around(tmp_path / "second").ignores("mine")


def test_forget_reads_gitignore_files_again(repository: Path) -> None:
    tree = around(repository)
    assert not tree.ignores("gen/a.py")
    write(repository / ".gitignore", "gen\n")
    assert not tree.ignores("gen/a.py")
    tree.forget()
    assert tree.ignores("gen/a.py")
