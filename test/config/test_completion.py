"""Completion, tested in the shells that are installed: their candidates at a Tab."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from httpprocessproxy.config.command_line import SHELLS
from httpprocessproxy.config.completion import completion
from httpprocessproxy.config.forms import Kind
from httpprocessproxy.config.options import OPTIONS, PROGRAM
from test.deadline import PATIENCE_S
from test.process.screen import Screen

VERBS = ("up", "logs", "url")

# (typed words, completions)
CASES = [
    (["--wat"], {"--watcher"}),
    (["--watcher", ""], {"auto", "watchman", "embedded", "polling"}),
    (["8000", "8001", "--no-inj"], {"--no-inject"}),
    (["--completion", "z"], {"zsh"}),
    (["--env-file", "sett"], {"settings.env"}),
    (["--config", "sett"], {"settings.env"}),
    (["8000", "8001", "-p", "sett"], {"settings.env"}),
    (["8000", "8001", "--exec", "http-process-prox"], {"http-process-proxy"}),
    (["8000", "8001", "--exec", "cat", "sett"], {"settings.env"}),
]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one file; the proxy is the only program in PATH besides the system's."""
    (tmp_path / "settings.env").touch()
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def run(shell: str, script: str) -> list[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-c", f"{completion(shell, VERBS)}\n{script}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(("typed", "offered"), [*CASES, (["--exec", "cat", "--wat"], set())])
def test_bash_completes_options_and_files(typed: list[str], offered: set[str]) -> None:
    words = shlex.join([PROGRAM, *typed])
    tab = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _shtab_http_process_proxy"
    assert set(run("bash", f'{tab}; printf "%s\\n" "${{COMPREPLY[@]}}"')) - {""} == offered


@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_fish_completes_options_and_files(typed: list[str], offered: set[str]) -> None:
    line = shlex.quote(" ".join([PROGRAM, *typed]))
    # Each line is a word and its description.
    shown = run("fish", f"complete -C {line}")
    assert {word.partition("\t")[0] for word in shown} == offered


SHORT_CASES = [
    (["u"], {"up", "url"}),
    (["up", "--wat"], {"--watcher"}),
    (["--wat"], {"--watcher"}),
    (["up", "--env-file", "sett"], {"settings.env"}),
]


@pytest.mark.parametrize(("typed", "offered"), SHORT_CASES)
def test_bash_completes_verbs_of_the_short_name(typed: list[str], offered: set[str]) -> None:
    words = shlex.join(["hpp", *typed])
    tab = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _hpp"
    assert set(run("bash", f'{tab}; printf "%s\\n" "${{COMPREPLY[@]}}"')) - {""} == offered


@pytest.mark.parametrize(("typed", "offered"), SHORT_CASES)
def test_fish_completes_verbs_of_the_short_name(typed: list[str], offered: set[str]) -> None:
    line = shlex.quote(" ".join(["hpp", *typed]))
    assert {word.partition("\t")[0] for word in run("fish", f"complete -C {line}")} == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_options_and_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "script").write_text(completion("zsh", VERBS))
    monkeypatch.setenv("TERM", "dumb")
    with Screen(["zsh", "-f", "-i"]) as screen:
        screen.type('autoload -Uz compinit && compinit -D -u && eval "$(cat script)"\n')
        screen.type("PS1='rea''dy> '\n")
        screen.wait_for("ready> ")
        for typed, added in [
            ("--no-inj", "ect"),
            ("--watcher watc", "hman"),
            ("--env-file sett", "ings.env"),
            ("8000 8001 -p sett", "ings.env"),
            ("8000 8001 --exec http-process-prox", "y"),
            ("8000 8001 --exec cat sett", "ings.env"),
        ]:
            screen.type(f"{PROGRAM} {typed}\t")
            screen.wait_for(typed)
            screen.wait_for(added)
            screen.type("\x15")  # Ctrl+U, which clears the line
        screen.type("hpp lo\t")
        screen.wait_for("hpp logs")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_script_has_every_option(shell: str) -> None:
    script = completion(shell)
    for option in OPTIONS:
        assert option.name in script or option.kind is Kind.PLACE
        assert option.kind is not Kind.FLAG or f"no-{option.name}" in script


def test_run_imports_no_module_that_only_prints() -> None:
    command = [
        sys.executable,
        "-c",
        "import httpprocessproxy.cli.program, sys; print(*sys.modules)",
    ]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not {"shtab", "tomli_w", "dotenv", "aiohttp", "httpprocessproxy.app"} & set(loaded)
