"""The git checkout around a folder: its branch, and the name of a linked work tree.

Only files are read (gitrepository-layout(5)): starting git would take milliseconds.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_BRANCH: Final = "ref: refs/heads/"
# A repository whose references are in tables keeps a name in HEAD that is not a branch.
_NOT_A_BRANCH: Final = ".invalid"


@dataclass(frozen=True, slots=True)
class Checkout:
    """`top` is its top folder. `branch` is "" if HEAD is detached, and `worktree`, the name of a
    linked work tree (git-worktree(1)), is "" in the main one."""

    top: Path
    branch: str
    worktree: str

    @classmethod
    def around(cls, folder: Path) -> Self | None:
        """The checkout that holds `folder`, an absolute path; None if there is none."""
        for top in (folder, *folder.parents):
            if (top / ".git").exists():
                git = git_folder(top)
                is_linked = (git / "commondir").exists()
                return cls(top, _branch(git), git.name if is_linked else "")
        return None


def git_folder(top: Path) -> Path:
    """The git directory of a checkout; in linked work trees and submodules, `.git` is a file."""
    with suppress(OSError, UnicodeDecodeError):
        return top / (top / ".git").read_text().strip().removeprefix("gitdir: ")
    return top / ".git"


def _branch(git: Path) -> str:
    try:
        head = (git / "HEAD").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    branch = head.removeprefix(_BRANCH)
    return "" if branch in (head, _NOT_A_BRANCH) else branch
