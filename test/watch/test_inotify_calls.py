"""The calls of inotify: events as the kernel sends them, and errors with their numbers."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("inotify is of Linux", allow_module_level=True)

from httpprocessproxy.watch import inotify_calls as calls
from httpprocessproxy.watch.inotify_calls import Inotify, InotifyEvent

ALL_BYTES = 65536


@pytest.fixture
def inotify() -> Iterator[Inotify]:
    with closing(Inotify()) as opened:
        yield opened


def test_events_carry_the_watch_their_kind_and_the_name(inotify: Inotify, project: Path) -> None:
    (project / "folder").mkdir()
    root = inotify.add_watch(str(project), calls.CREATE | calls.DELETE)
    folder = inotify.add_watch(str(project / "folder"), calls.DELETE_SELF)
    name = os.fsdecode(b"not UTF-8: \xff")
    (project / name).touch()
    (project / "folder").rmdir()
    assert inotify.unread_bytes() > 0
    assert list(inotify.read(ALL_BYTES)) == [
        InotifyEvent(root, calls.CREATE, name),
        InotifyEvent(folder, calls.DELETE_SELF, ""),
        InotifyEvent(folder, calls.IGNORED, ""),
        InotifyEvent(root, calls.DELETE | calls.ISDIR, "folder"),
    ]
    assert inotify.unread_bytes() == 0
    assert list(inotify.read(ALL_BYTES)) == []


def test_small_read_leaves_whole_events(inotify: Inotify, project: Path) -> None:
    inotify.add_watch(str(project), calls.CREATE)
    for name in ("a", "b", "c"):
        (project / name).touch()
    one_bytes = inotify.unread_bytes() // 3
    assert [event.name for event in inotify.read(2 * one_bytes + 1)] == ["a", "b"]
    assert inotify.unread_bytes() == one_bytes
    assert [event.name for event in inotify.read(ALL_BYTES)] == ["c"]


def test_second_watch_of_a_folder_has_the_number_of_the_first(
    inotify: Inotify, project: Path
) -> None:
    first = inotify.add_watch(str(project), calls.DELETE)
    assert inotify.add_watch(str(project), calls.CREATE | calls.MASK_ADD) == first
    (project / "a").touch()
    (project / "a").unlink()
    assert [event.mask for event in inotify.read(ALL_BYTES)] == [calls.CREATE, calls.DELETE]


def test_removed_watch_sends_its_end(inotify: Inotify, project: Path) -> None:
    number = inotify.add_watch(str(project), calls.CREATE)
    inotify.remove_watch(number)
    (project / "a").touch()
    assert list(inotify.read(ALL_BYTES)) == [InotifyEvent(number, calls.IGNORED, "")]
    with pytest.raises(OSError, match="Invalid argument"):
        inotify.remove_watch(number)


def test_error_has_its_number(inotify: Inotify, project: Path) -> None:
    with pytest.raises(OSError, match="No such file") as raised:
        inotify.add_watch(str(project / "missing"), calls.CREATE)
    assert raised.value.errno == errno.ENOENT
    (project / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        inotify.add_watch(str(project / "file"), calls.CREATE | calls.ONLYDIR)


def test_descriptor_is_not_inherited_and_is_closed(project: Path) -> None:
    inotify = Inotify()
    assert not os.get_inheritable(inotify.fd)
    inotify.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        inotify.add_watch(str(project), calls.CREATE)
