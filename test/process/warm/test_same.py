"""Cold, recorded and warm: the same output, whatever the program looks at."""

import asyncio
import re
from pathlib import Path

import pytest

from httpprocessproxy.process.warm import ForkServer
from test.process.warm.programs import PROGRAMS
from test.process.warm.starts import Ending, Project


def comparable(ending: Ending) -> Ending:
    """Without addresses: they are random."""
    stdout, stderr = (re.sub(r"0x[0-9a-f]+", "0x", s) for s in (ending.stdout, ending.stderr))
    return Ending(stdout, stderr, ending.returncode)


@pytest.mark.parametrize("name", PROGRAMS)
def test_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = PROGRAMS[name]
    project = Project.make(tmp_path, program)
    monkeypatch.chdir(tmp_path)
    cold = comparable(project.cold())
    recorded, record = project.recorded()
    assert comparable(recorded) == cold
    assert record is not None

    async def warm() -> list[Ending]:
        async with ForkServer(project.command, record, project.environment) as server:
            first = await project.warm(server)
            project.write(program.changed)
            return [first, await project.warm(server)]

    first, second = asyncio.run(warm())
    assert comparable(first) == cold
    cold_again = comparable(project.cold())
    assert comparable(second) == cold_again
    assert (cold_again == cold) == (not program.changed)
