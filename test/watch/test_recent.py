"""Polling: two writes of the same length within one tick of the clock for file times."""

import os
import time
from pathlib import Path

import pytest

from httpprocessproxy.watch import recent
from httpprocessproxy.watch.recent import Recent
from test.watch.watching import run, watching

# A time as FAT stores it, a whole second; and one of Linux before 6.13, unchanged for 4 ms.
WHOLE_NS = 1_700_000_000_000_000_000
TICK_NS = WHOLE_NS + 123_456_789


def save(root: Path, text: str, time_ns: int) -> None:
    """Save by a rename, so that the file never has another time."""
    temporary = root / "a.py~"
    temporary.write_text(text)
    os.utime(temporary, ns=(time_ns, time_ns))
    temporary.replace(root / "a.py")


def stamp_of(root: Path) -> dict[str, tuple[int, int]]:
    about = (root / "a.py").stat()
    return {"a.py": (about.st_mtime_ns, about.st_size)}


def test_polling_reports_the_second_save_of_one_second(project: Path) -> None:
    async def main() -> None:
        async with watching("polling", project) as (reports, watcher):
            for number in range(5):
                save(project, str(number), WHOLE_NS)
                await watcher.fence()
                assert reports.paths == {"a.py"}
                reports.paths.clear()
            await watcher.fence()
            assert reports.paths == set()

    run(main())


@pytest.mark.parametrize(
    ("time_ns", "until_s"), [(TICK_NS, recent._TICK_S), (WHOLE_NS, recent._WHOLE_SECONDS_S)]
)
def test_content_is_compared_until_a_tick_is_over_for_certain(
    project: Path, time_ns: int, until_s: float
) -> None:
    files = Recent(project)
    save(project, "1", time_ns)
    stamps = stamp_of(project)
    files.add(frozenset(stamps), stamps)
    added_at = time.monotonic()
    assert files.differences(stamps, added_at) == frozenset()
    save(project, "2", time_ns)
    # Written before the tick was over, and scanned after it.
    assert files.differences(stamps, added_at + until_s + 1) == {"a.py"}
    assert files.differences(stamps, added_at + until_s + 1) == frozenset()
    save(project, "3", time_ns)
    assert files.differences(stamps, added_at + until_s + 1) == frozenset()


def test_file_with_another_stamp_is_not_compared_by_content(project: Path) -> None:
    files = Recent(project)
    save(project, "1", TICK_NS)
    stamps = stamp_of(project)
    files.add(frozenset(stamps), stamps)
    save(project, "22", TICK_NS)
    assert files.differences(stamp_of(project), 0) == frozenset()
    assert files.differences({}, 0) == frozenset()


def test_missing_or_large_file_is_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MAX_FILE_BYTES", 1)
    files = Recent(project)
    save(project, "12", TICK_NS)
    stamps = stamp_of(project)
    files.add(frozenset({"a.py", "gone.py"}), stamps)
    save(project, "34", TICK_NS)
    assert files.differences(stamps, 0) == frozenset()


def test_files_beyond_the_limit_are_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_FILES", 0)
    files = Recent(project)
    save(project, "1", TICK_NS)
    stamps = stamp_of(project)
    files.add(frozenset(stamps), stamps)
    save(project, "2", TICK_NS)
    assert files.differences(stamps, 0) == frozenset()
