"""Shims of pyenv, imitated by scripts, and the programs behind them."""

import sys
from pathlib import Path

from httpprocessproxy.warm import PythonCommand, Recording

SHIM = """#!/usr/bin/env bash
set -e
program="${0##*/}"
export PYENV_ROOT=/nowhere PATH="/nowhere/bin:$PATH"
exec "FOLDER/$program" "$@"
"""


def shims(folder: Path, *names: str) -> str:
    made = folder / "shims"
    made.mkdir()
    for name in names:
        path = made / name
        path.write_text(SHIM.replace("FOLDER", str(Path(sys.executable).parent)))
        path.chmod(0o755)
    return f"{made}:/usr/bin:/bin"


def test_shim_is_resolved_to_program_and_environment(tmp_path: Path) -> None:
    path = shims(tmp_path, "python", "pytest")
    command = PythonCommand.of(["pytest", "-x"], {"PATH": path}, tmp_path)
    assert isinstance(command, PythonCommand)
    assert command.file == str(Path(sys.executable).parent / "pytest")
    assert Path(command.interpreter).parent == Path(sys.executable).parent
    assert command.arguments == ("-x",)
    added = {"PATH": f"/nowhere/bin:{path}", "PYENV_ROOT": "/nowhere"}
    # The interpreter itself adds LC_CTYPE for the locale, as it does in the program.
    assert added.items() <= command.environment.items()
    with Recording(command) as recording:
        assert recording.environment == command.environment


def test_shim_of_program_missing_in_version_returns_the_reason(tmp_path: Path) -> None:
    path = shims(tmp_path, "python", "no-such-tool")
    command = PythonCommand.of(["no-such-tool"], {"PATH": path}, tmp_path)
    assert command == "pyenv has no 'no-such-tool' in the version that it chose"


def test_failing_shim_returns_the_reason(tmp_path: Path) -> None:
    path = shims(tmp_path, "pytest")
    command = PythonCommand.of(["pytest"], {"PATH": path}, tmp_path)
    assert command == "pyenv does not resolve 'pytest'"
