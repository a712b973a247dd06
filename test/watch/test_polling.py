"""Polling's comparison of stamps; `test_watchers.py` covers the rest."""

import os
from pathlib import Path

import pytest

from httpprocessproxy.watch.polling import Polling, differences, stamp
from test.loops import on_every_loop
from test.watch.watching import Reports


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({}, {}, set()),
        ({"a": (1, 1)}, {"a": (1, 1)}, set()),
        ({"a": (2, 1)}, {"a": (3, 1)}, {"a"}),
        ({"a": (2, 1)}, {"a": (1, 1)}, {"a"}),
        ({"a": (2, 1)}, {"a": (2, 2)}, {"a"}),
        ({"a": (1, 1)}, {}, {"a"}),
        ({}, {"a": (1, 1)}, {"a"}),
        ({"a": (1, 1), "b": (1, 1)}, {"a": (1, 1), "c": (1, 1)}, {"b", "c"}),
    ],
)
def test_differences_are_new_removed_and_changed_paths(
    before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]], paths: set[str]
) -> None:
    assert differences(before, after) == paths


def test_stamp_of_a_removed_link_is_none(project: Path) -> None:
    (project / "a").symlink_to("missing")
    with os.scandir(project) as entries:
        (entry,) = entries
    # The entry is read late: os.DirEntry does not notice that its file was removed.
    (project / "a").unlink()
    assert stamp(entry) is None
    (project / "a").write_text("four")
    assert stamp(entry) == ((project / "a").stat().st_mtime_ns, 4)


@on_every_loop
async def test_polling_can_be_stopped_before_it_begins(project: Path) -> None:
    polling = Polling(Reports(project).task, "a test")
    calls: list[None] = []
    polling.stop()
    polling.work(lambda: calls.append(None))
    assert polling.description == "polling: a test"
