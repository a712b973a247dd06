"""Projects that start and end by verbs: at once, side by side, killed, and in error."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.deadline import PATIENCE_S, eventually
from test.harness import BACKENDS, Proxy, backend
from test.ports import free_port
from test.shell import Shell
from test.wire import Wire

ECHO = f"{sys.executable} {BACKENDS / 'echo.py'} {{port}}"
WEB = f'[service.web]\nexec = "{ECHO}"\nroute = "/**"\n'
SETTINGS = 'livereload-port = 0\nwatcher = "embedded"\n'
STARTS_AT_ONCE = 30


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path / "project", tmp_path / "state")
    try:
        yield made
        made.assert_empty()
    finally:
        made.end()


def write(shell: Shell, tables: str = WEB, bind: str = '"auto"') -> None:
    text = f"bind = {bind}\n{SETTINGS}{tables}"
    (shell.folder / "http-process-proxy.toml").write_text(text)


def test_starts_at_once_are_one_server(shell: Shell) -> None:
    write(shell)
    starts = [shell.start("up", "-d") for _ in range(STARTS_AT_ONCE)]
    answers = [process.communicate(timeout=6 * PATIENCE_S) for process in starts]
    assert [process.returncode for process in starts] == [0] * STARTS_AT_ONCE, answers
    found = shell.hpp("url").stdout.strip()
    first = [output.partition("\n")[0] for output, _ in answers]
    assert sorted(first) == sorted([found] + [f"runs already: {found}"] * (STARTS_AT_ONCE - 1))
    assert len(json.loads(shell.hpp("ps", "--all", "--json").stdout)["proxies"]) == 1
    assert len([line for line in shell.processes().values() if "echo.py" in line]) == 1
    assert shell.hpp("down").returncode == 0


def test_killed_proxy_is_found_no_longer_and_starts_again(shell: Shell) -> None:
    write(shell)
    assert shell.hpp("up", "-d").returncode == 0
    for line_pid, line in shell.processes().items():
        if "httpprocessproxy" in line:
            os.kill(line_pid, signal.SIGKILL)
    eventually(lambda: shell.hpp("ps").returncode == 4)
    assert json.loads(shell.hpp("ps", "--all", "--json").stdout) == {"proxies": []}
    assert shell.hpp("up", "-d").returncode == 0
    assert shell.hpp("down").returncode == 0


def test_two_checkouts_run_side_by_side(shell: Shell, tmp_path: Path) -> None:
    other = Shell(tmp_path / "checkout", tmp_path / "state")
    port = free_port()
    for each, branch in ((shell, "main"), (other, "cart")):
        write(each, bind=f'"127.0.0.1:{port}"')
        (each.folder / "version").write_text(branch)
        (each.folder / ".git").mkdir()
        (each.folder / ".git" / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    try:
        assert shell.hpp("up", "-d").stdout.startswith(f"http://127.0.0.1:{port}/\n")
        moved = other.hpp("up", "-d").stdout.partition("\n")[0]
        assert moved != f"http://127.0.0.1:{port}/"
        assert shell.hpp("url").stdout == f"http://127.0.0.1:{port}/\n"
        assert other.hpp("url").stdout == f"{moved}\n"
        for each, branch in ((shell, "main"), (other, "cart")):
            found = json.loads(each.hpp("ps", "--json").stdout)
            assert found["branch"] == branch
            host, _, own_port = found["bind"].rpartition(":")
            with Wire.connect(int(own_port)) as wire:
                wire.send(f"GET /version HTTP/1.1\r\nHost: {host}:{own_port}\r\n\r\n".encode())
                assert wire.response().body.decode() == branch
        assert shell.hpp("down").returncode == 0
        shell.assert_empty()
        assert other.hpp("ps").returncode == 0, "only that folder's proxy has ended"
        assert other.hpp("down", "--all").stdout == f"ended: {other.folder}\n"
    finally:
        other.end()


def test_failed_start_is_reported_with_its_reason(shell: Shell) -> None:
    write(shell, "colour = 1\n" + WEB)
    answer = shell.hpp("up", "-d")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "colour" in answer.stderr
    assert answer.stderr.count("\n") == 1
    answer = shell.hpp("up", "-d", "--json")
    assert "colour" in json.loads(answer.stdout)["error"]


def test_service_in_error_is_the_verdict_of_the_start(shell: Shell) -> None:
    write(shell, WEB + '[service.bad]\nexec = "sh -c \'exit 3\'"\nroute = "/bad/**"\n')
    answer = shell.hpp("up", "-d")
    assert answer.returncode == 1
    assert "bad: error, generation 1: exited with status 3\n" in answer.stdout
    assert shell.hpp("ps").returncode == 1
    assert shell.hpp("run", "--", "true").returncode == 1
    assert shell.hpp("down").returncode == 0


def test_run_starts_and_ends_a_project_of_its_own(shell: Shell) -> None:
    write(shell)
    answer = shell.hpp("run", "--", "sh", "-c", 'echo "$WEB_URL"; exit 5')
    assert answer.returncode == 5
    assert answer.stdout.startswith("http://localhost:")
    shell.assert_empty()


def test_interrupted_run_ends_its_project(shell: Shell) -> None:
    write(shell)
    process = shell.start("run", "--", "sh", "-c", "echo ready; exec sleep 1000")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143


def test_command_line_is_found_by_its_folder(shell: Shell) -> None:
    own = Proxy(shell.folder, backend("echo.py"), environment=shell.environment)
    with own as proxy:
        proxy.running()
        assert shell.hpp("url").stdout == f"{proxy.url}/\n"
        assert shell.hpp("restart", "web").returncode == 0
        assert proxy.status()["generation"] == 2
        assert shell.hpp("down").returncode == 0
        assert proxy.process.wait(PATIENCE_S) == 0
        proxy.expected_statuses = {0}


def test_proxy_runs_without_a_registry(shell: Shell) -> None:
    (Path(shell.environment["XDG_RUNTIME_DIR"]) / "http-process-proxy").write_text("not a folder")
    own = Proxy(shell.folder, backend("echo.py"), environment=shell.environment)
    with own as proxy:
        proxy.running()
        answer = shell.hpp("ps", "--json")
        assert answer.returncode == 4
        assert "cannot be read" in json.loads(answer.stdout)["error"]
        answer = shell.hpp("up", "-d")
        assert (answer.returncode, answer.stderr.count("\n")) == (4, 1)


def test_output_of_the_background_is_in_the_state_folder(shell: Shell) -> None:
    write(shell)
    assert shell.hpp("up", "-d").returncode == 0
    (log,) = Path(shell.environment["XDG_STATE_HOME"]).rglob("*.log")
    assert log.name == f"{shell.folder}.log".replace("/", "%")
    eventually(lambda: "http://localhost:" in log.read_text())
    assert shell.hpp("down").returncode == 0


def test_down_ends_a_proxy_that_still_starts(shell: Shell) -> None:
    write(shell)
    process = shell.start("up")
    eventually(lambda: json.loads(shell.hpp("ps", "--all", "--json").stdout)["proxies"])
    assert shell.hpp("down").returncode == 0
    process.communicate(timeout=PATIENCE_S)


def test_reader_that_leaves_ends_the_logs(shell: Shell) -> None:
    write(shell, "[service.clock]\nexec = \"sh -c 'while :; do date; sleep 0.01; done'\"\n")
    assert shell.hpp("up", "-d").returncode == 0
    follower = subprocess.run(
        f"{sys.executable} -m httpprocessproxy logs -f | head -3",
        shell=True,
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert len(follower.stdout.splitlines()) == 3
    assert follower.stderr == ""
    assert shell.hpp("down").returncode == 0
