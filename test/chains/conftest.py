"""One pipeline for a whole run of these tests: each takes chains of its own."""

from collections.abc import Iterator

import pytest

from test.chains.programs import Pipeline, pipeline


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(tmp_path_factory.mktemp("three"), 3) as made:
        yield made
