"""One relay for a whole run of these tests; each test takes its own hosts."""

import itertools
from collections.abc import Iterator

import pytest

from test.companions.share.relays import Relay, write_tokens

_NAMES = [f"share{number}" for number in range(200)]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def public_relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay with default options, except for shorter timeouts."""
    tokens = write_tokens(tmp_path_factory.mktemp("relay") / "tokens", *_NAMES)
    with Relay(tokens, "--grace", "2", "--deadline", "20") as running:
        yield running


@pytest.fixture
def site() -> str:
    """A host that no other test has used."""
    return fresh()


def fresh() -> str:
    return _NAMES[next(_numbers)]
