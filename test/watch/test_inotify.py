"""inotify alone: limits, lost events, empty files that are open, and links out of the root."""

import asyncio
import errno
import os
import re
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S
from test.watch.watching import Reports

if sys.platform != "linux":
    pytest.skip("inotify is of Linux", allow_module_level=True)

from httpprocessproxy.watch.inotify import LIMITS, EventsLostError, Tree, limit_reached
from httpprocessproxy.watch.inotify_calls import Inotify


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "sudo sysctl fs.inotify.max_user_watches="),
        (errno.EMFILE, "sudo sysctl fs.inotify.max_user_instances="),
        (errno.ENOMEM, "inotify: Cannot allocate memory"),
    ],
)
def test_message_of_a_limit_names_the_command_that_raises_it(number: int, text: str) -> None:
    said = limit_reached(OSError(number, os.strerror(number)))
    assert text in said
    if limits := re.fullmatch(r".* is (\d+), .*=(\d+)", said):
        assert int(limits[2]) > int(limits[1])


def test_removed_or_renamed_root_loses_events(project: Path) -> None:
    async def main(leave: Callable[[Path], object]) -> None:
        os.makedirs(project, exist_ok=True)
        with closing(Tree(Reports(project).task)) as tree:
            leave(project)
            with pytest.raises(EventsLostError):
                await drain(tree)

    asyncio.run(main(Path.rmdir))
    asyncio.run(main(lambda root: root.rename(root.with_name("elsewhere"))))


def test_missing_root_raises_and_leaves_no_descriptor_open(project: Path) -> None:
    before = open_descriptors()
    with pytest.raises(EventsLostError):
        Tree(Reports(project / "missing").task)
    assert open_descriptors() == before


def test_limit_of_watches_leaves_no_descriptor_open(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "folder").mkdir()
    add_watch = Inotify.add_watch

    def limited(self: Inotify, path: str, mask: int) -> int:
        if os.path.basename(path) == "folder":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return add_watch(self, path, mask)

    monkeypatch.setattr(Inotify, "add_watch", limited)
    before = open_descriptors()
    with pytest.raises(OSError, match="No space left") as raised:
        Tree(Reports(project).task)
    assert raised.value.errno in LIMITS
    assert open_descriptors() == before


def test_overflow_of_the_kernels_queue_loses_events(project: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    async def main() -> None:
        with closing(Tree(Reports(project).task)) as tree:
            for number in range(limit):
                # Two files in turn: the kernel merges identical consecutive events.
                (project / str(number % 2)).touch()
            with pytest.raises(EventsLostError):
                await drain(tree)

    asyncio.run(main())


async def changes(tree: Tree) -> frozenset[str]:
    """Wait for events, and return the files that changed."""
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(tree.fd, readable.set)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await readable.wait()
    finally:
        loop.remove_reader(tree.fd)
    return tree.read()


async def drain(tree: Tree) -> None:
    while True:
        await changes(tree)


def test_empty_file_is_not_reported_while_it_is_open(project: Path) -> None:
    (project / "a.py").write_text("old")

    async def main() -> None:
        with closing(Tree(Reports(project).task)) as tree:
            for name in ("a.py", "new.py"):
                with (project / name).open("w") as file:
                    (project / "b.py").write_text("other")
                    assert await changes(tree) == {"b.py"}
                    file.write("new")
                    file.flush()
                    assert await changes(tree) == {name}
            with (project / "a.py").open("w"):
                assert await changes(tree) == frozenset()
            assert await changes(tree) == {"a.py"}

    asyncio.run(main())


def test_open_empty_file_is_reported_after_the_timeout(project: Path) -> None:
    async def main() -> None:
        reports = Reports(project)
        with closing(Tree(reports.task)) as tree, (project / "a.py").open("w") as file:
            assert await changes(tree) == frozenset()
            await reports.see("a.py")
            file.write("late")
            file.flush()
            assert await changes(tree) == {"a.py"}

    asyncio.run(main())


def test_closed_empty_file_is_reported_at_once(project: Path) -> None:
    async def main() -> None:
        with closing(Tree(Reports(project).task)) as tree:
            (project / "a.py").touch()
            assert await changes(tree) == {"a.py"}
            (project / "a.py").rename(project / "b.py")
            assert await changes(tree) == {"a.py", "b.py"}
            os.mkfifo(project / "fifo")
            assert await changes(tree) == {"fifo"}

    asyncio.run(main())


def test_links_out_of_the_root_are_watched_once_except_upwards(
    project: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "link").symlink_to(outside)
    (project / "again").symlink_to(outside)
    (project / "above").symlink_to("..")

    async def main() -> None:
        with closing(Tree(Reports(project).task)) as tree:
            (outside / "a.py").write_text("")
            assert await changes(tree) in ({"link/a.py"}, {"again/a.py"})
            for link in ("link", "again"):
                (project / link).unlink()
            assert {"link", "again"} <= await changes(tree)
            (outside / "a.py").write_text("unseen")
            (project / "new").symlink_to(outside)
            assert await changes(tree) == {"new", "new/a.py"}
            (outside / "a.py").write_text("seen")
            assert await changes(tree) == {"new/a.py"}

    asyncio.run(main())


def test_read_all_returns_the_events_that_a_smaller_read_left(project: Path) -> None:
    async def main() -> None:
        with closing(Tree(Reports(project).task)) as tree:
            for number in range(300):
                (project / f"{number}.tmp~").touch()
            (project / "a.py").write_text("last")
            assert tree.read(64) == frozenset()
            assert tree.has_unread()
            assert tree.read_all() == {"a.py"}
            assert not tree.has_unread()

    asyncio.run(main())


def test_file_truncated_repeatedly_is_reported_in_time(project: Path) -> None:
    async def main() -> None:
        reports = Reports(project)
        with closing(Tree(reports.task)) as tree, (project / "a.py").open("w") as file:
            async with asyncio.timeout(PATIENCE_S):
                while not reports.paths:
                    os.truncate(file.fileno(), 0)
                    os.utime(file.fileno())
                    tree.read()
                    await asyncio.sleep(0.01)

    asyncio.run(main())
