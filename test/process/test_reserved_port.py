"""Reserved ports: distinct as long as they are kept."""

import random
import subprocess
import sys

import pytest

from httpprocessproxy.config import AUTO
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.process import ports
from httpprocessproxy.process.reserved_port import ReservedPort
from test.deadline import PATIENCE_S

RESERVE = """\
from httpprocessproxy.process import ports
from httpprocessproxy.process.reserved_port import ReservedPort
ports._CANDIDATES = range({first}, {first} + 2)
ports._TRIES = 2
print(ReservedPort(("127.0.0.1",)).number)
"""


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> int:
    """The first of the only two ports that may be chosen, both of which are free."""
    for _ in range(100):
        number = random.randrange(12_000, 19_000)
        if all(ports._can_bind("127.0.0.1", port) for port in (number, number + 1)):
            monkeypatch.setattr(ports, "_CANDIDATES", range(number, number + 2))
            monkeypatch.setattr(ports, "_TRIES", 2)
            return number
    raise AssertionError("no two ports are free")


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")


def test_port_is_not_chosen_twice_until_it_is_given_up(first: int) -> None:
    one, two = ReservedPort(AUTO.hosts), ReservedPort(AUTO.hosts)
    assert {one.number, two.number} == {first, first + 1}
    with pytest.raises(UserError, match="no free port"):
        ReservedPort(AUTO.hosts)
    number = one.number
    del one
    assert ReservedPort(AUTO.hosts).number == number


def test_port_is_not_chosen_by_another_process(first: int) -> None:
    kept = ReservedPort(AUTO.hosts)
    command = [sys.executable, "-c", RESERVE.format(first=first)]
    shown = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=PATIENCE_S
    ).stdout
    assert {kept.number, int(shown)} == {first, first + 1}
