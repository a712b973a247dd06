"""The entry point of a program: exit statuses, and errors in one line."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from httpprocessproxy.core.errors import UserError
from httpprocessproxy.system.program import complain, run_program
from test.deadline import PATIENCE_S


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("write\x1b a port"), 2, "shop: write\\x1b a port\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exception_becomes_an_exit_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: Sequence[str]) -> int:
        raise error

    assert run_program("shop", main, ()) == status
    assert capsys.readouterr() == ("", line)


def test_main_gets_the_arguments_and_returns_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["shop", "a", "b"])
    assert run_program("shop", len, None) == 2
    assert run_program("shop", len, ("a", "b", "c")) == 3


def test_complaint_has_its_own_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("shop", "it is closed", 4) == 4
    assert capsys.readouterr().err == "shop: it is closed\n"


PROGRAMS = {
    "": ("httpprocessproxy", ()),
    "relay": ("httpprocessproxy.companions.share.relay.cli", ()),
    "share": ("httpprocessproxy.companions.share.worker.cli", ()),
    "archive": ("httpprocessproxy.companions.archive.cli", ("server", "run")),
}


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_help_into_a_closed_pipe_is_silent(program: str, unbuffered: str) -> None:
    module, words = PROGRAMS[program]
    command = [sys.executable, "-m", module, *words, "--help"]
    # A pipe behind a buffer breaks at the end of the program.
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment) as child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == b""
        assert child.wait(PATIENCE_S) == 0
