"""Digests of contents, learned at the start or stored at a change."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.core.change.patterns import Patterns
from httpprocessproxy.watch import contents as module
from httpprocessproxy.watch.contents import Contents, ContentVerdict
from httpprocessproxy.watch.scope import Scope

SAME, CHANGED, EMPTIED = ContentVerdict.SAME, ContentVerdict.CHANGED, ContentVerdict.EMPTIED
SCOPE = Scope(Patterns(["**/*.py"], [], True))


@pytest.fixture
def contents(project: Path) -> Contents:
    """Contents of a project whose files were written long before."""
    for name in ("a.py", "b.py", "c.txt", "src/d.py"):
        file = project / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    found = Contents(project)
    # Moves the start of watching, instead of waiting until the files are older than it.
    found._began_ns += 10**12
    return found


def judge(contents: Contents, path: str, *, is_final: bool = False) -> ContentVerdict:
    return contents.judge([path], is_final=is_final)[path]


def test_learned_file_is_same_until_its_content_changes(contents: Contents, project: Path) -> None:
    contents.learn(SCOPE)
    assert judge(contents, "src/d.py") is SAME
    (project / "src" / "d.py").write_text("other")
    assert judge(contents, "src/d.py") is CHANGED
    assert judge(contents, "src/d.py") is SAME
    assert judge(contents, "c.txt") is CHANGED, "it did not count"


def test_unlearned_file_counts_as_changed_once(contents: Contents) -> None:
    assert judge(contents, "a.py") is CHANGED
    assert judge(contents, "a.py") is SAME
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is SAME


def test_file_written_since_the_start_is_not_learned(project: Path) -> None:
    """The server may have been started from the former content."""
    contents = Contents(project)
    (project / "a.py").write_text("new")
    os.utime(project / "a.py", (0, 0))  # as from an archive: the modification time proves nothing
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is CHANGED


def test_truncated_or_removed_file_is_emptied_until_it_is_final(
    contents: Contents, project: Path
) -> None:
    contents.learn(SCOPE)
    (project / "a.py").write_text("")
    assert judge(contents, "a.py") is EMPTIED
    (project / "a.py").unlink()
    assert judge(contents, "a.py") is EMPTIED
    (project / "a.py").write_text("a.py")
    assert judge(contents, "a.py", is_final=True) is SAME


def test_removed_file_is_changed_and_loses_its_digest_if_final(
    contents: Contents, project: Path
) -> None:
    contents.learn(SCOPE)
    (project / "a.py").unlink()
    assert judge(contents, "a.py", is_final=True) is CHANGED
    (project / "a.py").write_text("a.py")
    assert judge(contents, "a.py") is CHANGED


def test_forget_makes_every_file_count_as_changed(contents: Contents) -> None:
    contents.learn(SCOPE)
    contents.forget()
    assert judge(contents, "a.py") is CHANGED


def test_files_beyond_count_and_size_limits_always_count_as_changed(
    contents: Contents, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 6)
    monkeypatch.setattr(module, "MAX_FILES", 2)
    contents.learn(SCOPE)
    assert [judge(contents, path) for path in ("a.py", "b.py")] == [SAME, SAME]
    (project / "e.py").write_text("e")
    assert [judge(contents, "e.py") for _ in range(2)] == [CHANGED, CHANGED], "one too many"
    assert [judge(contents, "src/d.py") for _ in range(2)] == [CHANGED, CHANGED], "too big"


def test_learning_stops_at_the_limit_of_bytes(
    contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LEARNED_BYTES", 1)
    contents.learn(SCOPE)
    verdicts = contents.judge(["a.py", "b.py", "src/d.py"], is_final=False)
    assert list(verdicts.values()).count(SAME) == 1


def test_missing_folder_is_skipped_while_learning(
    contents: Contents, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_root", project / "missing")
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is CHANGED


def test_fifo_and_folder_always_count_as_changed(contents: Contents, project: Path) -> None:
    """Opening a FIFO would block until a writer opens it."""
    os.mkfifo(project / "f.py")
    (project / "link").symlink_to("src")
    contents.learn(SCOPE)
    assert [judge(contents, "f.py") for _ in range(2)] == [CHANGED, CHANGED]
    assert judge(contents, "src") is CHANGED
