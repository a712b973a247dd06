"""Commands, and the Python programs found in them."""

import sys
from pathlib import Path

import pytest

from httpprocessproxy.warm import PythonCommand

BIN = Path(sys.executable).parent


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def of(folder: Path, *words: str) -> PythonCommand | str:
    return PythonCommand.of(words, {"PATH": f"{folder}:{BIN}:/usr/bin:/bin"}, folder)


def test_command_with_interpreter_is_parsed(tmp_path: Path) -> None:
    assert of(tmp_path, "python", "-u", "main.py", "x") == PythonCommand(
        "python", ("-u",), file="main.py", arguments=("x",)
    )
    assert of(tmp_path, sys.executable, "-m", "pkg") == PythonCommand(
        sys.executable, (), module="pkg"
    )


def test_words_and_start_keep_flags_and_program() -> None:
    command = PythonCommand("python", ("-u",), module="pkg", arguments=("x",))
    assert command.words == ("python", "-u", "-m", "pkg", "x")
    assert command.start("pass") == ("python", "-u", "-c", "pass", "-m", "pkg", "x")


@pytest.mark.parametrize(
    ("first", "interpreter", "flags"),
    [
        (f"#!{sys.executable}", sys.executable, ()),
        (f"#! {sys.executable} -sE", sys.executable, ("-sE",)),
        ("#!/usr/bin/env python3", "python3", ()),
        ("#!/usr/bin/env -S python3 -u -O", "python3", ("-u", "-O")),
        (
            f"#!/bin/sh\n'''exec' \"{sys.executable}\" -s \"$0\" \"$@\"\n' '''",
            sys.executable,
            ("-s",),
        ),
    ],
)
def test_console_script_is_resolved_to_interpreter_and_flags(
    first: str, interpreter: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    path = str(script(tmp_path, "tool", f"{first}\nimport sys\n"))
    found = PythonCommand(interpreter, flags, file=path, arguments=("run",))
    assert of(tmp_path, "tool", "run") == found
    assert of(tmp_path, path, "run") == found


def test_script_with_relative_path_keeps_it(tmp_path: Path) -> None:
    script(tmp_path, "tool", f"#!{sys.executable}\n")
    assert of(tmp_path, "./tool") == PythonCommand(sys.executable, (), file="./tool")


def test_other_commands_return_the_reason(tmp_path: Path) -> None:
    script(tmp_path, "shell", "#!/bin/sh\necho\n")
    assert of(tmp_path, "shell") == "'shell' is a script of '/bin/sh', not of Python"
    assert of(tmp_path, "sh", "-c", "python x") == "'sh' is not a Python program"
    assert of(tmp_path, "missing") == "there is no 'missing'"
    assert of(tmp_path, "./x") == f"cannot read {tmp_path}/./x: No such file or directory"
    assert of(tmp_path, "python", "-c", "pass") == "'python -c' runs no file"
