"""The command line: each mistake is one line with status 2; help and version."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import httpprocessproxy
from httpprocessproxy.config.forms import Kind
from httpprocessproxy.config.options import OPTIONS
from test.deadline import PATIENCE_S
from test.harness import Proxy, backend
from test.ports import free_port


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "httpprocessproxy", *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE_S, cwd=cwd
    )


def assert_refused(result: subprocess.CompletedProcess[str], word: str) -> None:
    assert result.returncode == 2, result
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert word in result.stderr
    assert result.stdout == ""


GOOD = ["0", "8001", "--exec", "true"]

MISTAKES = [
    ([], "BIND"),
    (["8000"], "BACKEND"),
    (["8000", "8001"], "--exec"),
    (["8000", "8001", "--exec"], "--exec"),
    (["8000", "8001", "--unknown", "--exec", "true"], "--unknown"),
    (["8000", "8000", "--exec", "true"], "8000"),
    (["localhost:8000", "127.0.0.1:8000", "--exec", "true"], "8000"),
    (["70000", "8001", "--exec", "true"], "70000"),
    (["8000", "70000", "--exec", "true"], "70000"),
    (["8000", "0", "--exec", "true"], "BACKEND"),
    (["a:b:c", "8001", "--exec", "true"], "a:b:c"),
    (["8000", "[::1", "--exec", "true"], "[::1"),
    (["8000", "http://localhost:8001", "--exec", "true"], "http://localhost:8001"),
    (["-1", "8001", "--exec", "true"], "-1"),
    (["", "8001", "--exec", "true"], "''"),
    (["no.such.host.invalid:0", "8001", "--exec", "true"], "no.such.host.invalid"),
    (["192.0.2.1:0", "8001", "--exec", "true"], "192.0.2.1"),
    (["--kill-signal", "NONE", *GOOD], "NONE"),
    (["--watcher", "magic", *GOOD], "magic"),
    (["--ping", "icmp", *GOOD], "icmp"),
    (["--ping-path", "no-slash", *GOOD], "no-slash"),
    (["--ping-path", "/a b", *GOOD], "/a b"),
    (["--settle", "-1", *GOOD], "-1"),
    (["--settle", "soon", *GOOD], "soon"),
    (["--drain", "nan", *GOOD], "nan"),
    (["--start-timeout", "0x", *GOOD], "0x"),
    (["--queue-timeout", "-5", *GOOD], "-5"),
    (["--livereload-port", "70000", *GOOD], "70000"),
    (["--allowed-host", "http://a/", *GOOD], "http://a/"),
    (["--starting-page", "soon", *GOOD], "soon"),
    (["--editor", "typewriter", *GOOD], "typewriter"),
    (["--config", "none.toml", *GOOD], "none.toml"),
    (["--env-file", "none.env", *GOOD], "none.env"),
    (["--completion", "tcsh"], "tcsh"),
    (["--forwarded-allow-ips", "300.0.0.0/8", *GOOD], "300.0.0.0/8"),
    (["0", "8001", "-p", "{a,b", "--exec", "true"], "{a,b"),
    (["0", "8001", "-p", "[a", "--exec", "true"], "[a"),
    (["0", "8001", "-x", "[", "--exec", "true"], "["),
]


@pytest.mark.parametrize(("arguments", "word"), MISTAKES, ids=lambda part: str(part)[:40])
def test_mistake_is_one_line(arguments: list[str], word: str) -> None:
    assert_refused(run(*arguments), word)


def test_bind_in_use_is_a_mistake_of_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert_refused(run(f"127.0.0.1:{port}", str(free_port()), "--exec", "true"), port)


def test_help_names_every_option_and_its_default() -> None:
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for option in OPTIONS:
        assert f"--{option.name}" in result.stdout or option.kind is Kind.PLACE
    text = re.sub(r"\s+", " ", result.stdout)
    for default in ("35729", "SIGKILL", "auto", "127.0.0.0/8"):
        assert default in text
    assert text.count("default") >= 25


def test_version_is_printed() -> None:
    result = run("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert httpprocessproxy.__version__ in result.stdout


def test_installed_command_runs() -> None:
    command = [str(Path(sys.executable).parent / "http-process-proxy"), "--version"]
    assert subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S).stdout


def test_second_instance_warns_of_the_livereload_port(project: Path) -> None:
    port = str(free_port())
    with (
        Proxy(project, backend("echo.py"), "--livereload-port", port) as first,
        Proxy(project, backend("echo.py"), "--livereload-port", port) as second,
    ):
        first.running()
        second.running()
        assert second.get("/").status == 200
        assert port in second.wait_output(r"(?i)[^\n]*livereload[^\n]*\n")[0]


def test_all_values_of_a_repeated_option_count(project: Path) -> None:
    options = ["-p", "*.a", "*.b", "--pattern", "{c,d}.txt", "-x", "x.*"]
    with Proxy(project, backend("echo.py"), *options) as proxy:
        proxy.running()
        for counts in ("1.a", "1.b", "c.txt", "d.txt"):
            with proxy.restart():
                proxy.save(counts, "")
            restart = proxy.status()["last_restart"]
            assert restart is not None
            assert any(path.endswith(counts) for path in restart["paths"])
        before = proxy.status()["generation"]
        for ignored in ("e.txt", "x.a", "1.ab"):
            proxy.save(ignored, "")
        with proxy.restart():
            proxy.save("2.a", "")
        assert proxy.status()["generation"] == before + 1


def test_closed_output_of_help_exits_with_0() -> None:
    """As in `http-process-proxy --help | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "httpprocessproxy", "--help"]
    with os.fdopen(writer, "wb") as closed:
        result = subprocess.run(
            command, check=False, stdout=closed, stderr=subprocess.PIPE, timeout=PATIENCE_S
        )
    assert result.stderr == b""
