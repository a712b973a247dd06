"""A shell's questions to the running program: --status, --restart and --wait."""

import json
import subprocess
import sys
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend
from test.ports import free_port

CRASHING = ["sh", "-c", 'test -e broken && exit 3; exec "$@"', "-", *backend("echo.py")]


def ask(proxy: Proxy, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell in the project does."""
    return subprocess.run(
        [sys.executable, "-m", "httpprocessproxy", *words],
        cwd=proxy.project,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_status(project: Path) -> None:
    with Proxy(project, CRASHING) as proxy:
        proxy.running()
        answer = ask(proxy, "--status", str(proxy.port))
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.startswith("running, generation 1, pid ")
        told = json.loads(ask(proxy, "--status", "--json", str(proxy.port)).stdout)
        assert told["state"] == "running"
        with proxy.restart(to="error"):
            proxy.save("broken", "")
        answer = ask(proxy, str(proxy.port), "--status")
        assert answer.returncode == 1
        assert answer.stdout == "error, generation 2: exited with status 3\n"


def test_a_restart_is_waited_for(project: Path) -> None:
    with Proxy(project, CRASHING, "--pattern", "nothing") as proxy:
        proxy.running()
        answer = ask(proxy, "--restart", str(proxy.port))
        assert answer.returncode == 0
        assert answer.stdout.startswith("running, generation 2, pid ")
        proxy.save("broken", "")
        assert ask(proxy, "--restart", str(proxy.port)).returncode == 1
        (project / "broken").unlink()
        assert ask(proxy, "--restart", str(proxy.port)).returncode == 0


def test_waiting_for_a_slow_start(project: Path) -> None:
    with Proxy(project, backend("slow_start.py", "500")) as proxy:
        assert ask(proxy, "--wait", str(proxy.port)).returncode == 0


def test_waiting_no_longer_than_asked(project: Path) -> None:
    with Proxy(project, backend("never_listens.py")) as proxy:
        assert ask(proxy, "--wait", str(proxy.port), "--timeout", "0.1").returncode == 3


def test_the_file_says_where(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        proxy.save("http-process-proxy.toml", f"bind = {proxy.port}\n")
        assert ask(proxy, "--wait").returncode == 0


def test_nobody_answers(project: Path) -> None:
    proxy, port = Proxy(project, []), free_port()
    answer = ask(proxy, "--status", str(port))
    assert (answer.returncode, answer.stdout) == (4, "")
    assert answer.stderr == f"no answer at localhost:{port}: Connection refused\n"
    assert ask(proxy, "--status").returncode == 2, "where is it?"
