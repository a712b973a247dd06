"""The proxy's URLs, and an opened browser: here a script, named by BROWSER."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.process import ProcessTrees
from httpprocessproxy.terminal.browser import Browser, urls
from test import processes
from test.deadline import eventually
from test.messages import state

URL = "http://localhost:8000/"


class FakeBrowser:
    """A program that records its arguments and environment, and keeps running."""

    def __init__(self, folder: Path) -> None:
        self.seen = folder / "seen"
        self.program = folder / "browser"
        self.program.write_text(
            f"#!{sys.executable}\n"
            "import os, sys, time\n"
            "what = [sys.argv[1], os.getpid(), os.getsid(0), os.isatty(1), 'TERM' in os.environ]\n"
            "print('noise')\n"
            f"with open({str(self.seen)!r} + '~', 'w') as file:\n"
            "    print(*what, file=file)\n"
            f"os.rename({str(self.seen)!r} + '~', {str(self.seen)!r})\n"
            "time.sleep(1000)\n"
        )
        self.program.chmod(0o755)

    def started(self) -> list[str]:
        eventually(self.seen.exists)
        return self.seen.read_text().split()


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBrowser]:
    mark = str(tmp_path)
    browser = FakeBrowser(tmp_path)
    monkeypatch.setenv("BROWSER", str(browser.program))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(processes.MARK, mark)
    yield browser
    processes.kill_marked(mark)


def test_browser_has_its_own_session_and_silent_output(
    fake: FakeBrowser, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []

    async def main() -> None:
        Browser(URL, lines.append).open()
        url, pid, session, is_a_terminal, has_term = await asyncio.to_thread(fake.started)
        assert url == URL
        assert int(session) != os.getsid(0), "Ctrl+C and a hang-up must not reach it"
        assert (is_a_terminal, has_term) == ("False", "False")
        # It does not count as a process of the backend, so no restart ends it.
        assert int(pid) not in [process.pid for process in ProcessTrees().processes()]

    asyncio.run(main())
    assert lines == []
    assert capfd.readouterr() == ("", "")


def test_browser_is_opened_once_when_the_server_runs(fake: FakeBrowser) -> None:
    opened: list[str] = []

    class Counting(Browser):
        def open(self) -> None:
            opened.append(URL)

    browser = Counting(URL, opened.append)
    for entered in ("loading", "error", "loading"):
        browser.open_once_running(state(entered))
    assert opened == []
    for entered in ("running", "killing", "loading", "running"):
        browser.open_once_running(state(entered))
    assert opened == [URL]


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent/browser"])
def test_url_is_printed_if_no_browser_opens(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROWSER", program)
    lines: list[str] = []

    async def main() -> None:
        done = asyncio.Event()
        Browser(URL, lambda text: (lines.append(text), done.set())[0]).open()  # type: ignore[func-returns-value]
        await done.wait()

    asyncio.run(main())
    assert lines == [f"no browser to open here: {URL}"]


def test_urls_by_address() -> None:
    assert urls(Address.parse("8000")) == ["http://localhost:8000/"]
    assert urls(Address.parse("127.0.0.1:8000")) == ["http://127.0.0.1:8000/"]
    assert urls(Address.parse("[::1]:8000")) == ["http://[::1]:8000/"]
    assert urls(Address.parse("10.1.2.3:8000")) == ["http://10.1.2.3:8000/"]
    for everywhere in (":8000", "0.0.0.0:8000", "[::]:8000"):
        here, *others = urls(Address.parse(everywhere))
        assert here == "http://localhost:8000/"
        assert len(others) <= 1  # 0 on a machine without a network
        assert all("0.0.0.0" not in url for url in others)
