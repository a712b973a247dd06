"""The rules of a .gitignore: a table of lines, and a comparison with git."""

import random
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from httpprocessproxy.core.change.ignore import IgnoreRules

# Names, and patterns that match some of them.
NAMES = ["a", "b", "foo", "foo.py", "x.log", "dist", "bar.d", "a b", ".env", "[z]"]
FOLDERS = ["a", "foo", "dist", "bar.d"]
PIECES = [
    *("a", "b", "foo", "foo.py", "*.log", "dist", "*", "**", "?", "*.d", "[ab]", "[!a]", "fo*"),
    *("*o*", ".env", "\\[z\\]", "foo.??", "a b"),
]


@pytest.mark.parametrize(
    ("text", "path", "is_folder", "decision"),
    [
        ("*.log", "a.log", False, True),
        ("*.log", "deep/a.log", False, True),
        ("*.log", "a.py", False, None),
        ("build/", "build", True, True),
        ("build/", "deep/build", True, True),
        ("build/", "build", False, None),
        ("/build", "deep/build", True, None),
        ("docs/build", "docs/build", True, True),
        ("docs/build", "deep/docs/build", True, None),
        ("build", "build/a.py", False, None),  # decided by the folder, which the caller checks
        ("a/**", "a", True, None),
        ("a/**", "a/b", False, True),
        ("**/", "a/b", True, True),
        ("**/**/", "a/b", True, True),
        ("/**/*/", "a/b", True, True),
        ("/**/*/", "a.py", False, None),
        ("!**/*/", "a/b", True, False),
        ("a/**/", "a", True, None),
        ("a/**/", "a/b", True, True),
        ("a/**/", "a/b.py", False, None),
        ("*.log\n!keep.log", "keep.log", False, False),
        ("!keep.log\n*.log", "keep.log", False, True),
        ("/*\n!/src", "src", True, False),
        ("# a.py", "a.py", False, None),
        ("\\#a", "#a", False, True),
        ("a.py \r\nb", "a.py", False, True),
        ("\ufeffa.py", "a.py", False, True),
        ("", "a.py", False, None),
        ("/", "a.py", False, None),
        ("[", "a.py", False, None),
        ("!\n//\n***\\", "a.py", False, None),
    ],
)
def test_last_line_that_names_the_path_decides(
    text: str, path: str, is_folder: bool, decision: bool | None
) -> None:
    rules = IgnoreRules(text)
    assert rules.decide(path, is_folder) is decision
    assert rules.decide(path, is_folder) is decision, "what is remembered is the same"


@pytest.mark.parametrize("seed", range(8))
def test_random_rules_ignore_the_same_paths_as_git(tmp_path: Path, seed: int) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    tree = make_tree(tmp_path)
    # Seeded: a difference must be reproducible.
    chance = random.Random(seed)
    for _ in range(20):
        text = "\n".join(a_line(chance) for _ in range(chance.randint(1, 6))) + "\n"
        (tmp_path / ".gitignore").write_text(text)
        assert ignored(IgnoreRules(text), tree) == ignored_by_git(tmp_path, list(tree)), text


def make_tree(root: Path) -> dict[str, bool]:
    """Create files and folders with all NAMES, three levels deep.

    Returns for each path whether it is a folder; a folder comes before what it holds.
    """
    for first in NAMES:
        (root / first).mkdir()
        for second in NAMES:
            if second in FOLDERS:
                (root / first / second).mkdir()
                for third in NAMES:
                    (root / first / second / third).touch()
            else:
                (root / first / second).touch()
    found = sorted(path for path in root.rglob("*") if ".git" not in path.parts)
    return {str(path.relative_to(root)): path.is_dir() for path in found}


def a_line(chance: random.Random) -> str:
    pieces = "/".join(chance.choice(PIECES) for _ in range(chance.choice([1, 1, 1, 2, 2, 3])))
    return (
        chance.choice(["", "", "!"]) + chance.choice(["", "/"]) + pieces + chance.choice(["", "/"])
    )


def ignored(rules: IgnoreRules, tree: Mapping[str, bool]) -> set[str]:
    """The paths that are ignored, or that a folder holds which is ignored."""
    found: set[str] = set()
    for path, is_folder in tree.items():
        if path.rpartition("/")[0] in found or rules.decide(path, is_folder):
            found.add(path)
    return found


def ignored_by_git(root: Path, paths: list[str]) -> set[str]:
    command = ["git", "-C", str(root), "check-ignore", "--stdin", "--no-index", "-z"]
    finished = subprocess.run(
        command, input="\0".join(paths) + "\0", text=True, capture_output=True
    )
    assert finished.returncode in (0, 1), finished.stderr
    return set(finished.stdout.split("\0")) - {""}
