"""The distinction of saves from chmod, by files on disk and by Watchman's metadata."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pywatchman", reason="the extra [watchman] is not installed")

from httpprocessproxy.watch.connection import File
from httpprocessproxy.watch.stamps import Stamps

LONG_AGO_NS = time.time_ns() - 3600 * 10**9


def stamped(ino: int = 1, size: int = 2, mtime_ns: int = 3, ctime_ns: int = 4) -> File:
    return File(
        name="a.py",
        exists=True,
        new=False,
        type="f",
        ino=ino,
        size=size,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
    )


@pytest.mark.parametrize(
    ("now", "is_change"),
    [
        pytest.param(stamped(ctime_ns=5), False, id="chmod"),
        pytest.param(stamped(), True, id="a second write within the clock's tick"),
        pytest.param(stamped(mtime_ns=5, ctime_ns=5), True, id="write"),
        pytest.param(stamped(mtime_ns=1, ctime_ns=5), True, id="time set back"),
        pytest.param(stamped(size=3, ctime_ns=5), True, id="another size, the time set back"),
        pytest.param(stamped(ino=5, ctime_ns=5), True, id="an older file in its place"),
    ],
)
def test_file_that_changed_before_is_compared_with_its_stamp(
    now: File, is_change: bool, tmp_path: Path
) -> None:
    stamps = Stamps(tmp_path)
    stamps.is_change(stamped())
    assert stamps.is_change(now) is is_change


def test_file_that_came_and_went_between_reports_is_no_change(tmp_path: Path) -> None:
    gone = stamped()
    gone["exists"], gone["new"] = False, True
    stamps = Stamps(tmp_path)
    assert not stamps.is_change(gone)
    assert stamps.is_change(stamped())
    assert stamps.is_change(gone)
    assert not stamps.is_change(gone)


def test_first_deletion_of_a_file_is_a_change(tmp_path: Path) -> None:
    gone = stamped()
    gone["exists"] = False
    assert Stamps(tmp_path).is_change(gone)


def write(path: Path) -> None:
    path.write_text("more")


def write_with_an_old_time(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("more")
    os.utime(other, ns=(LONG_AGO_NS, LONG_AGO_NS))
    other.rename(path)


def change_mode(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize(
    ("act", "is_change"),
    [(write, True), (write_with_an_old_time, True), (change_mode, False)],
)
def test_first_change_of_a_file_is_distinguished_from_chmod(
    tmp_path: Path, act: Callable[[Path], None], is_change: bool
) -> None:
    path = tmp_path / "a.py"
    path.write_text("")
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    os.utime(tmp_path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    stamps = Stamps(tmp_path)
    act(path)
    found = path.stat()
    now = stamped(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    assert stamps.is_change(now) is is_change
