"""What a configuration must have, wherever it is said, and what contradicts itself."""

import pytest

from httpprocessproxy.config import Address, Config
from httpprocessproxy.core.errors import UserError
from httpprocessproxy.options import read_line
from httpprocessproxy.settings import resolve

EXEC = ["--exec", "serve"]


def parse(argv: list[str]) -> Config:
    return resolve(read_line(argv))


@pytest.mark.parametrize(
    ("bind", "backend"),
    [
        *(("8000", "8000"), ("8000", "127.0.0.1:8000"), ("[::1]:8000", "8000")),
        *((":8000", "8000"), ("8000", ":8000"), ("0.0.0.0:8000", "127.0.0.1:8000")),
    ],
)
def test_a_port_for_two_is_a_mistake(bind: str, backend: str) -> None:
    with pytest.raises(UserError, match="a port of its own"):
        parse([bind, backend, *EXEC])


@pytest.mark.parametrize(
    ("bind", "backend"), [("127.0.0.1:8000", "127.0.0.2:8000"), ("0", "8000"), (":0", "8000")]
)
def test_one_port_at_two_addresses_is_none(bind: str, backend: str) -> None:
    assert str(parse([bind, backend, *EXEC]).backend) == str(Address.parse(backend))


@pytest.mark.parametrize(
    "line", [[], ["8000"], ["8000", "8001"], ["8000", "8001", "--exec"], ["--exec", "true"]]
)
def test_what_is_missing_is_a_mistake(line: list[str]) -> None:
    with pytest.raises(UserError):
        parse(line)
