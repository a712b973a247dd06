"""The API of the running program from a shell: --status, --restart and --wait."""

import json
import subprocess
import sys
from pathlib import Path

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend
from test.ports import free_port

CRASHING = ["sh", "-c", 'test -e broken && exit 3; exec "$@"', "-", *backend("echo.py")]


def ask(proxy: Proxy, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in the project's folder, as from a shell."""
    return subprocess.run(
        [sys.executable, "-m", "httpprocessproxy", *words],
        cwd=proxy.project,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_status_prints_the_state(project: Path) -> None:
    with Proxy(project, CRASHING) as proxy:
        proxy.running()
        answer = ask(proxy, "--status", str(proxy.port))
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.startswith("running, generation 1, pid ")
        answered = json.loads(ask(proxy, "--status", "--json", str(proxy.port)).stdout)
        assert answered["state"] == "running"
        with proxy.restart(to="error"):
            proxy.save("broken", "")
        answer = ask(proxy, str(proxy.port), "--status")
        assert answer.returncode == 1
        assert answer.stdout == "error, generation 2: exited with status 3\n"


def test_restart_waits_until_the_server_runs(project: Path) -> None:
    with Proxy(project, CRASHING, "--pattern", "nothing") as proxy:
        proxy.running()
        answer = ask(proxy, "--restart", str(proxy.port))
        assert answer.returncode == 0
        assert answer.stdout.startswith("running, generation 2, pid ")
        proxy.save("broken", "")
        assert ask(proxy, "--restart", str(proxy.port)).returncode == 1
        (project / "broken").unlink()
        assert ask(proxy, "--restart", str(proxy.port)).returncode == 0


def test_wait_lasts_until_a_slow_start_is_over(project: Path) -> None:
    with Proxy(project, backend("slow_start.py", "500")) as proxy:
        assert ask(proxy, "--wait", str(proxy.port)).returncode == 0


def test_wait_exits_with_3_after_the_timeout(project: Path) -> None:
    with Proxy(project, backend("never_listens.py")) as proxy:
        assert ask(proxy, "--wait", str(proxy.port), "--timeout", "0.1").returncode == 3


def test_wait_takes_the_address_from_the_file(project: Path) -> None:
    with Proxy(project, backend("echo.py")) as proxy:
        proxy.running()
        proxy.save("http-process-proxy.toml", f"bind = {proxy.port}\n")
        assert ask(proxy, "--wait").returncode == 0


def test_closed_port_exits_with_4(project: Path) -> None:
    proxy, port = Proxy(project, []), free_port()
    answer = ask(proxy, "--status", str(port))
    assert (answer.returncode, answer.stdout) == (4, "")
    assert answer.stderr == f"no answer at localhost:{port}: Connection refused\n"
    assert ask(proxy, "--status").returncode == 2, "without BIND the address is unknown"
