"""A small preloaded server: causes of cold starts, and the end of its fork server."""

import json
import os
import re
import resource
import signal
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from test.browser import open_browser
from test.dashboard import opened
from test.deadline import eventually
from test.harness import Proxy
from test.preloaded import Preloaded, preload_of, warmed

PYTHON = sys.executable
SERVER = """
import http.server, json, os, sys, installed
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        is_leader = os.getpid() == os.getsid(0)
        served = [installed.VERSION, os.environ.get('COLOUR'), is_leader]
        self.wfile.write(json.dumps(served).encode())
    do_HEAD = do_GET
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The packages of a virtual environment, with a module that has a version."""
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(PYTHON)
    base = Path(os.path.realpath(PYTHON)).parent
    (home / "pyvenv.cfg").write_text(f"home = {base}\ninclude-system-site-packages = false\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "installed.py").write_text("VERSION = 1\n")
    return packages


@pytest.fixture
def small(project: Path, tmp_path: Path, site: Path) -> Preloaded:
    """A project with a server that answers with that version."""
    (project / "app.py").write_text(SERVER)
    python = str(site.parents[2] / "bin" / "python")
    return Preloaded(project, tmp_path / "cache", (python, "app.py", "{port}"))


def served(proxy: Proxy) -> object:
    value: object = json.loads(proxy.get("/").body)
    return value


def restarted(proxy: Proxy) -> bool:
    """Restart, and return whether the start was warm."""
    with proxy.restart():
        proxy.save("other.py", os.urandom(8).hex())
    start = proxy.status()["last_start"]
    assert start is not None
    return start["warm"]


def held_ready(proxy: Proxy) -> list[int]:
    """The pids of the fork server and of its standby process, oldest first.

    The first backend, whose imports are recorded, has a similar command line.
    """
    backend = proxy.status()["pid"]
    found = proxy.left_over().items()
    return sorted(pid for pid, line in found if "python -c " in line and pid != backend)


def test_next_run_preloads_the_recorded_imports(small: Preloaded, project: Path) -> None:
    with small.proxy() as proxy:
        warmed(proxy.running())
    (project / "app.py").write_text("import time; time.sleep(1000)")
    with small.proxy() as proxy:
        # No generation has answered, so this run has recorded nothing.
        assert warmed(proxy).status()["state"] == "loading"
        with proxy.restart():
            proxy.save("app.py", SERVER)
        start = proxy.status()["last_start"]
        assert start is not None
        assert (start["warm"], start["saved_ms"] is not None) == (True, True)


def marks(proxy: Proxy) -> tuple[list[str], tuple[int, int]]:
    """The marks of the server's process: its variables, and its limits."""
    pid = proxy.status()["pid"]
    assert pid is not None
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    found = [pair for pair in pairs if pair.startswith(("HPP_SERVICE=", "HTTP_PROCESS_PROXY_"))]
    return sorted(found), resource.prlimit(pid, resource.RLIMIT_RTTIME)


def test_warm_process_has_the_marks_of_a_cold_one(small: Preloaded) -> None:
    with small.proxy() as proxy:
        cold = marks(proxy.running())
        assert [pair.partition("=")[0] for pair in cold[0]] == [
            *("HPP_SERVICE", "HTTP_PROCESS_PROXY_RUN")
        ]
        assert cold[0][0].endswith("/web")
        assert cold[1][0] > 1 << 62
        assert restarted(warmed(proxy))
        assert marks(proxy) == cold


def test_killed_fork_server_costs_a_cold_start(small: Preloaded) -> None:
    with small.proxy() as proxy:
        warmed(proxy.running())
        before = held_ready(proxy)
        os.kill(before[0], signal.SIGKILL)
        proxy.wait_output("starts are cold until another one is ready")
        assert served(proxy) == [1, None, True]
        warmed(proxy)
        assert not {*before} & {*held_ready(proxy)}
        assert restarted(proxy)


def test_stopped_fork_server_is_not_awaited(small: Preloaded) -> None:
    with small.proxy() as proxy:
        for pid in held_ready(warmed(proxy.running())):
            os.kill(pid, signal.SIGSTOP)
        assert not restarted(proxy)
        assert restarted(warmed(proxy))


def test_fork_server_ends_with_a_killed_program(small: Preloaded) -> None:
    with small.proxy() as proxy:
        assert len(held_ready(warmed(proxy.running()))) == 2
        proxy.stop(signal.SIGKILL)
        eventually(lambda: not proxy.left_over())


def test_reinstalled_package_is_served_at_once(small: Preloaded, site: Path) -> None:
    with small.proxy() as proxy:
        warmed(proxy.running())
        assert restarted(proxy)
        assert served(proxy) == [1, None, True]
        # The size differs: Python's bytecode cache compares it, and times in whole seconds.
        (site / "installed.py").write_text("VERSION = 22\n")
        proxy.wait_output("installed has changed: preloading again")
        assert not restarted(proxy)
        assert served(proxy) == [22, None, True]
        assert restarted(warmed(proxy))
        assert served(proxy) == [22, None, True]


def test_new_import_of_a_warm_start_is_preloaded_for_the_next(
    small: Preloaded, site: Path, project: Path
) -> None:
    (site / "heavy.py").write_text("import decimal\n")
    with small.proxy() as proxy:
        warmed(proxy.running())
        before = preload_of(proxy)["modules"]
        with proxy.restart():
            proxy.save("app.py", "import heavy\n" + (project / "app.py").read_text())
        eventually(lambda: preload_of(proxy)["modules"] != before)
        assert restarted(warmed(proxy))
        assert served(proxy) == [1, None, True]


def test_package_that_breaks_after_a_fork_costs_one_start(
    small: Preloaded, site: Path, project: Path
) -> None:
    (site / "installed.py").write_text("import os\nVERSION = 1\nPID = os.getpid()\n")
    crash = "import installed, os\nif installed.PID != os.getpid(): os.abort()\n"
    (project / "app.py").write_text(crash + (project / "app.py").read_text())
    with small.proxy() as proxy:
        warmed(proxy.running())
        assert not restarted(proxy)
        assert served(proxy) == [1, None, True]
        proxy.wait_output("a warm server ended by signal SIGABRT before it answered: --preload is")
        assert preload_of(proxy)["off"]
        assert not restarted(proxy)


def test_changed_environment_makes_a_start_cold(small: Preloaded, project: Path) -> None:
    (project / ".env").write_text("COLOUR=red\n")
    with small.proxy("--env-file", ".env") as proxy:
        warmed(proxy.running())
        assert restarted(proxy)
        assert served(proxy) == [1, "red", True]
        with proxy.restart():
            proxy.save(".env", "COLOUR=blue\n")
        assert served(proxy) == [1, "blue", True]
        proxy.wait_output("the environment has changed: preloading again")
        assert restarted(warmed(proxy))
        assert served(proxy) == [1, "blue", True]


def test_dashboard_shows_warm_starts(small: Preloaded) -> None:
    with small.proxy() as proxy, open_browser() as browser:
        page = opened(browser, warmed(proxy.running()))
        assert restarted(proxy)
        expect(page.locator("#facts")).to_contain_text(re.compile(r"start 2 \(warm.*\), since"))
        expect(page.locator("#restarts li").first).to_contain_text("(warm")
        expect(page.locator("#notices")).to_contain_text(
            re.compile(r"preloaded \d+ modules in .* MB")
        )
        page.close()
