"""The branch and the work tree of a folder, in repositories that git has made."""

import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.system.checkout import Checkout, git_folder

_AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *_AUTHOR, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_folder_without_repository_has_no_checkout(tmp_path: Path) -> None:
    assert Checkout.around(tmp_path) is None


def test_folder_in_the_main_checkout_has_its_branch(repository: Path) -> None:
    inside = repository / "src" / "pages"
    inside.mkdir(parents=True)
    assert Checkout.around(inside) == Checkout(repository, "main", "")
    git(repository, "checkout", "-q", "-b", "feature/cart")
    assert Checkout.around(inside) == Checkout(repository, "feature/cart", "")


def test_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert Checkout.around(repository) == Checkout(repository, "", "")


def test_linked_work_tree_has_a_name_and_a_branch_of_its_own(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "fix", "../other")
    other = repository.parent / "other"
    assert Checkout.around(other) == Checkout(other, "fix", "other")
    assert Checkout.around(repository) == Checkout(repository, "main", "")


def test_submodule_is_not_a_linked_work_tree(repository: Path) -> None:
    """Its `.git` is a file too, with a path relative to its folder."""
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "./", "sub")
    sub = repository / "sub"
    assert git_folder(sub) != sub / ".git"
    assert Checkout.around(sub) == Checkout(sub, "main", "")


def test_repository_that_cannot_be_read_has_no_branch(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert Checkout.around(tmp_path) == Checkout(tmp_path, "", "")
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\n")
    assert Checkout.around(tmp_path) == Checkout(tmp_path, "", "")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")
    assert Checkout.around(tmp_path) == Checkout(tmp_path, "", "")
