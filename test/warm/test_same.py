"""Cold, recorded and warm starts: the output of a program is the same."""

import asyncio
import glob
import os
import re
import subprocess
from pathlib import Path

import pytest

from httpprocessproxy.warm import ForkServer, ImportRecord
from test.deadline import PATIENCE_S
from test.warm.program import Program
from test.warm.programs import PROGRAMS
from test.warm.starts import Ending, Project, new_tree


def comparable(ending: Ending) -> Ending:
    """Replace memory addresses, which are random."""
    stdout, stderr = (re.sub(r"0x[0-9a-f]+", "0x", s) for s in (ending.stdout, ending.stderr))
    return Ending(stdout, stderr, ending.returncode)


# Python 3.8 does not survive a fork with `-X dev`, so inside/serving.py refuses it.
OTHERS = [
    path
    for path in sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python")))
    if "/3.6" not in path and "/3.7" not in path
]


@pytest.mark.slow
@pytest.mark.parametrize("base", [*OTHERS, "/usr/bin/python3"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_output_is_same_in_other_interpreters(
    name: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.exists(base) or ("/3.8" in base and name == "flags"):
        pytest.skip("there is no such start")
    check(name, base, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", PROGRAMS)
def test_output_is_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(name, "", tmp_path, monkeypatch)


def check(name: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(Project.make(tmp_path, PROGRAMS[name], base), monkeypatch)


def compare(project: Project, monkeypatch: pytest.MonkeyPatch) -> ImportRecord:
    monkeypatch.chdir(project.folder)
    program = project.program
    cold = comparable(project.cold())
    recorded, record = project.recorded()
    assert comparable(recorded) == cold
    assert record is not None

    async def warm() -> list[Ending]:
        async with ForkServer(project.command, record, project.environment, new_tree()) as server:
            first = await project.warm(server)
            project.write(program.changed)
            return [first, await project.warm(server)]

    first, second = asyncio.run(warm())
    assert comparable(first) == cold
    if program.changed:
        before, cold = cold, comparable(project.cold())
        assert cold != before
    assert comparable(second) == cold
    return record


COVERED = """
import decimal, json, wave
def missed():
    json.loads("1")
json.dumps(1)
"""


def test_coverage_works_in_warm_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("{python}", "-m", "coverage", "run", "main.py")
    project = Project.make(tmp_path, Program({"main.py": COVERED}, words))
    project.install("coverage")
    record = compare(project, monkeypatch)
    assert "coverage" in record.modules
    report = [str(project.python), "-m", "coverage", "report", "--show-missing"]
    printed = subprocess.run(report, capture_output=True, text=True, timeout=PATIENCE_S).stdout
    assert "main.py       4      1    75%   4" in printed


@pytest.mark.slow
def test_debugpy_works_in_warm_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """debugpy listens for a debugger, by an adapter in a separate process."""
    pytest.importorskip("debugpy")
    words = ("{python}", "-Xfrozen_modules=off", "-m", "debugpy", "--listen", "0", "main.py")
    main = "import decimal, debugpy, json, sys\nprint(sys.argv, debugpy.is_client_connected())"
    project = Project.make(tmp_path, Program({"main.py": main}, words))
    project.install("debugpy")
    assert "debugpy" in compare(project, monkeypatch).modules
