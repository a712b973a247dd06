"""Relays for the tests: each test runs with the state in memory, and with it in a Redis."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from test.companions.share.relay.rendezvous_checks import Check, opened
from test.companions.share.relays import Relay, redis_server, write_tokens
from test.loops import run

# The options that say where a relay keeps its state.
State = tuple[str, ...]

# A relay that is used by many tests: each takes a host of its own.
_NAMES = [f"name{number}" for number in range(1000)]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def state(request: pytest.FixtureRequest) -> State:
    """Each in turn."""
    if request.param == "memory":
        return ()
    return "--redis", str(request.getfixturevalue("redis_url"))


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return write_tokens(tmp_path / "tokens", "one", "two", "three")


@pytest.fixture(scope="session")
def relays(
    redis_url: str,  # which is to outlive them
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[State], Relay]]:
    """Relays in a hurry: one for each way to keep the state, started when it is first wanted."""
    tokens = write_tokens(tmp_path_factory.mktemp("relay") / "tokens", *_NAMES)
    times = ("--hold", "0.5", "--deadline", "1.5", "--grace", "0.3", "--max-body", "6M")
    with contextlib.ExitStack() as stack:

        @functools.cache
        def started(state: State) -> Relay:
            return stack.enter_context(Relay(tokens, *times, *state))

        yield started


@pytest.fixture
def relay(relays: Callable[[State], Relay], state: State) -> Relay:
    return relays(state)


@pytest.fixture
def name() -> str:
    """A host that no other test has used."""
    return _NAMES[next(_numbers)]


@pytest.fixture(scope="session")
def own_redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["memory", "redis"])
def check(request: pytest.FixtureRequest) -> Callable[[Check], None]:
    """Run a check against a rendezvous that is new."""
    url = str(request.getfixturevalue("own_redis_url")) if request.param == "redis" else None

    def checking(body: Check) -> None:
        async def main() -> None:
            async with opened(url) as rendezvous:
                await body(rendezvous)

        run(main())

    return checking
