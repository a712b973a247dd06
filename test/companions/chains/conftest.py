"""One pipeline for all tests of a file: each takes chains of its own.

Not for longer: to tests of process/, whatever runs beside them is what a backend left behind.
"""

from collections.abc import Iterator

import pytest

from test.companions.chains.programs import Pipeline, pipeline


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(tmp_path_factory.mktemp("three"), 3) as made:
        yield made
