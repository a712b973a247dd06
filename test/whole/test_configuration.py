"""Configuration of a project: files, automatic ports, and the server's environment."""

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from test.deadline import PATIENCE_S
from test.harness import BACKENDS, Proxy
from test.ports import free_port

ECHO = f"exec {sys.executable} {BACKENDS / 'echo.py'} $PORT"


class Configured(Proxy):
    """The program with a configuration file, and only `options` on its command line."""

    def __init__(self, project: Path, *options: str, **settings: object) -> None:
        super().__init__(project, ())
        known = {
            "bind": self.port,
            "backend": "auto",
            "livereload-port": 0,
            "watcher": "embedded",
            "exec": ["sh", "-c", ECHO],
        }
        lines = [f"{key} = {_toml(value)}" for key, value in {**known, **settings}.items()]
        (project / "http-process-proxy.toml").write_text("\n".join(lines))
        self.arguments = [sys.executable, "-m", "httpprocessproxy", *options]


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def refused(project: Path, *options: str) -> str:
    command = [sys.executable, "-m", "httpprocessproxy", *options]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, cwd=project
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    return done.stderr


def test_file_without_a_command_line_runs(project: Path) -> None:
    with Configured(project, pattern=["*.a"]) as proxy:
        proxy.running()
        assert proxy.get("/").status == 200
        proxy.save("1.b", "")
        with proxy.restart():
            proxy.save("1.a", "")
        assert proxy.status()["generation"] == 2


def test_command_line_overrides_the_file(project: Path) -> None:
    with Configured(project, "--pattern", "*.b", pattern=["*.a"]) as proxy:
        proxy.running()
        proxy.save("1.a", "")
        with proxy.restart():
            proxy.save("1.b", "")
        assert proxy.status()["generation"] == 2


def test_mistake_in_a_file_is_one_line(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.http-process-proxy]\nbnid = 8000\n")
    assert refused(project) == (
        "http-process-proxy: pyproject.toml:2: unknown key 'bnid': did you mean bind?\n"
    )


def test_printed_configuration_is_a_file_with_the_same_values(project: Path) -> None:
    def printed(*options: str) -> str:
        command = [sys.executable, "-m", "httpprocessproxy", *options, "--print-config"]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE_S, cwd=project
        ).stdout

    (project / "pyproject.toml").write_text(
        "[tool.http-process-proxy]\nbind = 8000\nexec = 'a b'\n"
    )
    first = printed("-p", "*.py", "--env-file", "none", "8001", "auto")
    (project / "other.toml").write_text(first)
    assert printed("--config", "other.toml") == first
    assert 'bind = "localhost:8001"' in first


def shown_command(proxy: Proxy) -> list[str]:
    """The words of the command that pages get in the hello."""
    with connect(f"ws{proxy.running().url.removeprefix('http')}/_hpp/events") as socket:
        socket.send(json.dumps({"type": "hello", "age_ms": 0}))
        return shlex.split(json.loads(socket.recv(PATIENCE_S))["command"])


@pytest.mark.parametrize("word", ["{port}", "127.0.0.1:{port}"])
def test_backend_gets_its_port(project: Path, word: str) -> None:
    command = ["sh", "-c", f'echo "told $1, awk {{}} and $2"; {ECHO}', "-", word, "{print}"]
    with Configured(project, exec=command) as proxy:
        told = proxy.wait_output(r"(?m)^told (\S+), awk \{\} and \{print\}\r?$")[1]
        port = proxy.wait_output(r"localhost:(\d+): sh -c")[1]
        assert told == word.replace("{port}", port)
        assert told in shown_command(proxy)
        proxy.running()
        with proxy.restart():
            proxy.save("a.py", "")
        proxy.wait_output(rf"(?ms)^told {told},.*^told {told},")


def test_automatic_port_taken_by_another_program_is_replaced(project: Path) -> None:
    crash = f'[ -e crash ] && exit 1; echo "told $PORT"; {ECHO}'
    with Configured(project, exec=["sh", "-c", crash]) as proxy:
        port = int(proxy.wait_output(r"told (\d+)")[1])
        proxy.running()
        with proxy.restart(to="error"):
            proxy.save("crash", "")
        with socket.create_server(("127.0.0.1", port)):
            with proxy.restart():
                (project / "crash").unlink()
            now = proxy.wait_output(r"BACKEND is localhost:(\d+) now")[1]
            proxy.wait_output(rf"told {now}")
            assert proxy.get("/").status == 200


def test_env_file_is_read_at_each_start(project: Path) -> None:
    (project / ".env").write_text("VALUE=one\nPORT=1")
    command = ["sh", "-c", f'echo "value $VALUE"; {ECHO}']
    settings = {"exec": command, "env-file": ".env", "pattern": ["*.py"]}
    with Configured(project, **settings) as proxy:
        proxy.running()
        proxy.wait_output("value one")
        with proxy.restart():
            proxy.save(".env", "VALUE='two'", by="rename")
        proxy.wait_output("value two")
        with proxy.restart(to="error"):
            proxy.save(".env", "VALUE='thr")
        page = proxy.get("/")
        assert page.status == 503
        assert b".env: line 1 is not NAME=VALUE" in page.body
        assert b"thr" not in page.body
        with proxy.restart():
            proxy.save(".env", "VALUE=four")
        proxy.wait_output("value four")


def test_invalid_env_file_ends_the_program(project: Path) -> None:
    arguments = [str(free_port()), "auto", "--env-file", ".env", "--exec", "true"]
    assert "cannot read .env: No such file" in refused(project, *arguments)
    (project / ".env").write_text("A=1\nB C\n")
    assert ".env: line 2 is not NAME=VALUE" in refused(project, *arguments)
