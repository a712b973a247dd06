"""Reports of each watcher for files that git ignores and files of --refresh."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from httpprocessproxy.config import WatchConfig, WatcherName
from httpprocessproxy.watch.scope import Scope
from test.watch.watching import Reports, run, watching

DEFAULT = WatchConfig()


@pytest.fixture
def repository(project: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(project)], check=True)
    (project / ".gitignore").write_text("/gen/\n")
    for folder in ("gen/deep", "src"):
        (project / folder).mkdir(parents=True)
    return project


def test_file_ignored_by_git_is_not_reported(name: WatcherName, repository: Path) -> None:
    async def main() -> None:
        scope = Scope.of(DEFAULT, repository)
        async with watching(name, repository, scope=scope) as (reports, _):
            (repository / "gen" / "a.py").write_text("")
            (repository / "gen" / "deep" / "b.py").write_text("")
            (repository / "gen" / "new").mkdir()
            (repository / "gen" / "new" / "c.py").write_text("")
            (repository / "src" / "d.py").write_text("")
            assert await reports.all() == {"src/d.py"}

    run(main())


def test_changed_gitignore_takes_effect(name: WatcherName, repository: Path) -> None:
    async def main() -> None:
        scope = Scope.of(DEFAULT, repository)
        async with watching(name, repository, scope=scope) as (reports, _):
            (repository / ".gitignore").write_text("/src/\n")
            await reports.see(".gitignore")
            await seen_from_now_on(reports, "gen/deep/b.py")
            await reports.all()
            (repository / "src" / "d.py").write_text("")
            (repository / "gen" / "deep" / "b.py").write_text("again")
            assert await reports.all() == {"gen/deep/b.py"}

    async def seen_from_now_on(reports: Reports, path: str) -> None:
        """Wait for the report: Watchman's new subscription begins after that of .gitignore."""
        (repository / path).write_text("")
        await reports.see(path)

    run(main())


def test_files_of_refresh_globs_are_reported(name: WatcherName, repository: Path) -> None:
    config = replace(DEFAULT, patterns=("src/*.py", "the last of all"), refresh=("gen/**/*.css",))

    async def main() -> None:
        scope = Scope.of(config, repository)
        async with watching(name, repository, scope=scope) as (reports, _):
            for path in ("src/a.css", "src/a.py", "gen/deep/a.css", "gen/a.py"):
                (repository / path).write_text("")
            assert await reports.all() == {"src/a.py", "gen/deep/a.css"}

    run(main())
