"""Links to files: a save of the target is reported as a change of the link."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from httpprocessproxy.watch.targets import steps
from test.watch.watching import run, watching


@pytest.fixture
def shared(project: Path) -> Path:
    """The target, outside the project, of a link in the project."""
    folder = project.parent / "shared"
    folder.mkdir()
    (folder / "settings.ini").write_text("1")
    (project / "settings.ini").symlink_to("../shared/settings.ini")
    return folder / "settings.ini"


def write(file: Path) -> None:
    file.write_text("22")


def replace(file: Path) -> None:
    file.with_name("new").write_text("22")
    file.with_name("new").rename(file)


@pytest.mark.parametrize("save", [write, replace])
def test_save_of_the_target_reports_the_link(
    name: WatcherName, project: Path, shared: Path, save: Callable[[Path], None]
) -> None:
    async def main() -> None:
        async with watching(name, project, ["settings.ini"]) as (reports, _):
            for _ in range(2):
                save(shared)
                await reports.see("settings.ini")
                reports.paths.clear()
                write(shared)
                await reports.see("settings.ini")
                reports.paths.clear()

    run(main())


def test_other_file_beside_the_target_is_not_reported(
    name: WatcherName, project: Path, shared: Path
) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            shared.with_name("other").write_text("")
            assert await reports.all() == set()

    run(main())


def test_link_made_while_watching_is_followed(
    name: WatcherName, project: Path, shared: Path
) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "another.ini").symlink_to("../shared/settings.ini")
            await reports.see("another.ini")
            await reports.all()
            write(shared)
            await reports.see("another.ini", "settings.ini")

    run(main())


def test_replaced_folder_on_the_way_reports_the_link(name: WatcherName, project: Path) -> None:
    """Kubernetes updates a ConfigMap so."""
    for number in range(2):
        (project / f"..{number}").mkdir()
        (project / f"..{number}" / "a.ini").write_text(f"{number}" * (number + 1))
    (project / "..data").symlink_to("..0")
    (project / "a.ini").symlink_to("..data/a.ini")

    async def main() -> None:
        async with watching(name, project, ["a.ini"]) as (reports, _):
            (project / "..new").symlink_to("..1")
            os.rename(project / "..new", project / "..data")
            await reports.see("a.ini")

    run(main())


def test_steps_are_each_link_and_the_file(tmp_path: Path) -> None:
    top = os.path.realpath(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "second").symlink_to(f"{top}/folder/../folder/file")
    (tmp_path / "first").symlink_to("./second")
    found = list(steps(f"{top}/first"))
    assert found[0] == (top, "second")
    assert found[-1] == (f"{top}/real", "file")
    assert (top, "folder") in found
    (tmp_path / "circle").symlink_to("circle")
    assert len(list(steps(f"{top}/circle"))) < 50
