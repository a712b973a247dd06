"""One suite for all watchers: each reports the same files for the same changes."""

import asyncio
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from httpprocessproxy.config import WatcherName
from httpprocessproxy.core.change.patterns import ANYTHING
from test.watch.watching import run, watching

CHECKED_OUT = 10_000


def test_files_in_new_folders_are_reported_and_watched(name: WatcherName, project: Path) -> None:
    files = [f"{number}/b/c/file.py" for number in range(100)]

    async def main() -> None:
        async with watching(name, project, ["**/*.py"]) as (reports, _):
            for file in files:
                (project / file).parent.mkdir(parents=True)
                (project / file).write_text("")
            await reports.see(*files)
            assert await reports.all() == set(files)
            for file in files[::10]:
                (project / file).write_text("again")
            await reports.see(*files[::10])

    run(main())


def test_folders_made_while_events_are_read_are_watched(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            for number in range(10 if name == "polling" else 30):
                file = project / str(number) / "x" / "file.py"
                file.parent.mkdir(parents=True)
                file.write_text("")
                await reports.see(f"{number}/x/file.py")
                file.write_text("again")
                reports.paths.clear()
                await reports.see(f"{number}/x/file.py")

    run(main())


def test_renamed_folder_is_reported_and_watched(name: WatcherName, project: Path) -> None:
    (project / "old" / "deep").mkdir(parents=True)
    (project / "old" / "deep" / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "old").rename(project / "new")
            await reports.see("old/deep/a.py", "new/deep/a.py")
            await reports.all()
            (project / "new" / "deep" / "a.py").write_text("again")
            (project / "new" / "deep" / "b.py").write_text("")
            assert await reports.all() == {"new/deep/a.py", "new/deep/b.py"}

    run(main())


def test_folder_moved_out_is_unwatched_until_it_is_back(
    name: WatcherName, project: Path, tmp_path: Path
) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "folder").rename(tmp_path / "outside")
            assert await reports.all() == {"folder/a.py"}
            (tmp_path / "outside" / "a.py").write_text("not ours now")
            assert await reports.all() == set()
            (tmp_path / "outside").rename(project / "back")
            assert await reports.all() == {"back/a.py"}

    run(main())


def test_files_behind_links_are_reported_by_every_path(name: WatcherName, project: Path) -> None:
    (project / "folder").mkdir()
    (project / "folder" / "a.py").write_text("")
    (project / "link.py").symlink_to("folder/a.py")
    (project / "linked").symlink_to("folder")
    (project / "folder" / "round").symlink_to("..")
    (project / "itself").symlink_to("itself")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / "linked" / "a.py").write_text("by its link")
            assert await reports.all() == {"folder/a.py", "link.py"}
            (project / "linked").unlink()
            (project / "linked").symlink_to("folder")
            (project / "link.py").write_text("by its link")
            await reports.see("folder/a.py")

    run(main())


def test_checkout_of_ten_thousand_files_is_reported(name: WatcherName, repository: Path) -> None:
    everything = {f"{number % 100}/{number}.py" for number in range(CHECKED_OUT)}

    async def main() -> None:
        async with watching(name, repository) as (reports, _):
            await asyncio.to_thread(git, "checkout", "--quiet", "--force", "-", at=repository)
            await reports.until(lambda: ANYTHING in reports.paths or everything <= reports.paths)
            await reports.all()
            (repository / "99" / "99.py").write_text("the very last")
            assert await reports.all() == {"99/99.py"}

    run(main())


def test_root_inside_a_repository_is_watched_alone(name: WatcherName, project: Path) -> None:
    (project / ".git").mkdir()
    below = project / "service" / "web"
    below.mkdir(parents=True)

    async def main() -> None:
        async with watching(name, below, ["*.py"]) as (reports, _):
            (project / "a.py").write_text("")
            (project / "service" / "a.py").write_text("")
            (below / "b.py").write_text("")
            assert await reports.all() == {"b.py"}

    run(main())


def test_change_right_after_entering_is_reported(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        for number in range(10):
            async with watching(name, project) as (reports, _):
                (project / "a.py").write_text(str(number))
                await reports.see("a.py")

    run(main())


def test_changes_before_entering_are_not_reported(name: WatcherName, project: Path) -> None:
    (project / "a.py").write_text("")

    async def main() -> None:
        (project / "b.py").write_text("")
        async with watching(name, project) as (reports, _):
            assert await reports.all() == set()

    run(main())


def test_only_files_of_patterns_are_reported_without_excludes(
    name: WatcherName, project: Path
) -> None:
    for folder in ("src", "gen", "node_modules/ours", "node_modules/theirs"):
        (project / folder).mkdir(parents=True)

    async def main() -> None:
        patterns = ["**/*.py", "node_modules/ours/**"]
        async with watching(name, project, patterns, ["gen/**"]) as (reports, _):
            for folder in ("src", "gen", "node_modules/ours", "node_modules/theirs"):
                (project / folder / "a.py").write_text("")
                (project / folder / "a.js").write_text("")
            found = await reports.all()
            assert found == {"src/a.py", "node_modules/ours/a.py", "node_modules/ours/a.js"}

    run(main())


def test_file_name_that_is_not_utf8_is_reported(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async with watching(name, project) as (reports, _):
            (project / os.fsdecode(b"\xff\n.py")).write_text("")
            assert await reports.all() == {"\udcff\n.py"}

    run(main())


def test_root_whose_name_is_not_utf8_is_watched(name: WatcherName, project: Path) -> None:
    root = project / os.fsdecode(b"\xff")
    root.mkdir()

    async def main() -> None:
        async with watching(name, root) as (reports, _):
            (root / "a.py").write_text("")
            await reports.see("a.py")

    run(main())


def test_deleted_and_recreated_root_is_watched_again(name: WatcherName, project: Path) -> None:
    (project / "a.py").write_text("")

    async def main() -> None:
        async with watching(name, project) as (reports, _):
            shutil.rmtree(project)
            os.mkdir(project)
            reports.paths.clear()
            # Polling compares files, not folders: it never lost a change.
            await reports.see("a.py" if name == "polling" else ANYTHING)
            await reports.all()
            (project / "a.py").write_text("again")
            assert await reports.all() == {"a.py"}

    run(main())


def test_leaving_closes_every_descriptor_and_thread(name: WatcherName, project: Path) -> None:
    async def main() -> None:
        async def once() -> tuple[int, int]:
            async with watching(name, project) as (reports, _):
                (project / "a.py").write_text("")
                await reports.see("a.py")
            return len(os.listdir("/proc/self/fd")), threading.active_count()

        before = await once()
        for _ in range(5 if name == "polling" else 50):
            assert await once() == before

    run(main())


def test_leaving_returns_within_100_ms(name: WatcherName, project: Path) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with watching(name, project):
            began_at = loop.time()
        return loop.time() - began_at

    assert min(asyncio.run(main()) for _ in range(3)) < 0.1


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 files in 100 folders, all of them different in two branches."""
    root = tmp_path_factory.mktemp("repository")
    git("init", "--quiet", at=root)
    git("fast-import", "--quiet", at=root, stdin=_commit("main") + _commit("other"))
    git("checkout", "--quiet", "main", at=root)
    git("checkout", "--quiet", "other", at=root)
    return root


def _commit(branch: str) -> str:
    """The input of git-fast-import(1) for the whole branch."""
    lines = [f"commit refs/heads/{branch}", "committer test <test@localhost> 0 +0000", "data 0"]
    for number in range(CHECKED_OUT):
        content = f"{branch} {number}"
        lines += [f"M 644 inline {number % 100}/{number}.py", f"data {len(content)}", content]
    return "\n".join([*lines, ""])


def git(*arguments: str, at: Path, stdin: str = "") -> None:
    subprocess.run(["git", *arguments], cwd=at, check=True, input=stdin, text=True)
