"""What files contained: learned before, or seen at a change."""

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
    """Of files that were there long before."""
    for name in ("a.py", "b.py", "c.txt", "src/d.py"):
        file = project / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)
    found = Contents(project)
    # Instead of a wait until the files are older than the beginning.
    found._began_ns += 10**12
    return found


def judge(contents: Contents, path: str, *, is_final: bool = False) -> ContentVerdict:
    return contents.judge([path], is_final=is_final)[path]


def test_what_was_learned_is_known(contents: Contents, project: Path) -> None:
    contents.learn(SCOPE)
    assert judge(contents, "src/d.py") is SAME
    (project / "src" / "d.py").write_text("other")
    assert judge(contents, "src/d.py") is CHANGED
    assert judge(contents, "src/d.py") is SAME
    assert judge(contents, "c.txt") is CHANGED, "it did not count"


def test_what_was_not_learned_is_known_from_its_first_change(contents: Contents) -> None:
    assert judge(contents, "a.py") is CHANGED
    assert judge(contents, "a.py") is SAME
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is SAME


def test_what_was_written_since_the_beginning_is_not_learned(project: Path) -> None:
    """The server may have been started from what it was before."""
    contents = Contents(project)
    (project / "a.py").write_text("new")
    os.utime(project / "a.py", (0, 0))  # as from an archive: the time of the file tells nothing
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is CHANGED


def test_a_save_in_two_halves(contents: Contents, project: Path) -> None:
    contents.learn(SCOPE)
    (project / "a.py").write_text("")
    assert judge(contents, "a.py") is EMPTIED
    (project / "a.py").unlink()
    assert judge(contents, "a.py") is EMPTIED
    (project / "a.py").write_text("a.py")
    assert judge(contents, "a.py", is_final=True) is SAME


def test_a_file_that_is_gone_for_good(contents: Contents, project: Path) -> None:
    contents.learn(SCOPE)
    (project / "a.py").unlink()
    assert judge(contents, "a.py", is_final=True) is CHANGED
    (project / "a.py").write_text("a.py")
    assert judge(contents, "a.py") is CHANGED


def test_anything_may_have_changed(contents: Contents) -> None:
    contents.learn(SCOPE)
    contents.forget()
    assert judge(contents, "a.py") is CHANGED


def test_limits(contents: Contents, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 6)
    monkeypatch.setattr(module, "MAX_FILES", 2)
    contents.learn(SCOPE)
    assert [judge(contents, path) for path in ("a.py", "b.py")] == [SAME, SAME]
    (project / "e.py").write_text("e")
    assert [judge(contents, "e.py") for _ in range(2)] == [CHANGED, CHANGED], "one too many"
    assert [judge(contents, "src/d.py") for _ in range(2)] == [CHANGED, CHANGED], "too big"


def test_not_all_is_learned(contents: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LEARNED_BYTES", 1)
    contents.learn(SCOPE)
    verdicts = contents.judge(["a.py", "b.py", "src/d.py"], is_final=False)
    assert list(verdicts.values()).count(SAME) == 1


def test_a_folder_that_is_gone_is_passed_over(
    contents: Contents, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_root", project / "missing")
    contents.learn(SCOPE)
    assert judge(contents, "a.py") is CHANGED


def test_what_is_no_file_always_counts(contents: Contents, project: Path) -> None:
    """To open a FIFO would wait for somebody who writes."""
    os.mkfifo(project / "f.py")
    (project / "link").symlink_to("src")
    contents.learn(SCOPE)
    assert [judge(contents, "f.py") for _ in range(2)] == [CHANGED, CHANGED]
    assert judge(contents, "src") is CHANGED
