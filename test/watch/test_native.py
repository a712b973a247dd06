"""The watcher through watchfiles, used on macOS; here with the events of this system."""

import asyncio
import os
from pathlib import Path

from httpprocessproxy.watch.native import Native
from httpprocessproxy.watch.threads import threaded
from test.watch.watching import MARKER, Reports, run


def test_native_watcher_reports_files_in_scope(project: Path) -> None:
    (project / "folder").mkdir()
    (project / ".git").mkdir()

    async def main() -> None:
        reports = Reports(project)
        native = Native(reports.task.from_thread(), "a test")
        async with threaded(native, "watchfiles"):
            assert native.description == "embedded: a test"
            (project / "folder" / "a.py").write_text("")
            await reports.see("folder/a.py")
            (project / "folder" / "b.py~").write_text("")
            os.replace(project / "folder" / "b.py~", project / "folder" / "b.py")
            await reports.see("folder/b.py")
            (project / "folder" / "a.py").unlink()
            (project / ".git" / "index").write_text("")
            (project / "new").mkdir()
            assert await reports.all() == {"folder/a.py", "folder/b.py"}
            await reports.see()

    run(main())


def test_leaving_returns_within_200_ms(project: Path) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with threaded(Native(Reports(project).task.from_thread(), "a test"), "watchfiles"):
            began_at = loop.time()
        return loop.time() - began_at

    assert min(asyncio.run(main()) for _ in range(3)) < 0.2
    assert not (project / MARKER).exists()
