"""The relay with short timeouts that tests without special options share."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from test.companions.share.relays import Relay, write_tokens

# Each test that uses the shared relay takes its own host.
_NAMES = [f"name{number}" for number in range(1000)]
_numbers = itertools.count()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write_tokens(tmp_path / "tokens", "one", "two", "three")


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with short timeouts."""
    tokens = write_tokens(tmp_path_factory.mktemp("relay") / "tokens", *_NAMES)
    times = ("--hold", "0.5", "--deadline", "1.5", "--grace", "0.3", "--max-body", "6M")
    with Relay(tokens, *times) as running:
        yield running


@pytest.fixture
def name() -> str:
    """A host that no other test has used."""
    return _NAMES[next(_numbers)]
