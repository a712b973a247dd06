"""One pipeline for all tests of a file; each test uses chains with Ids of its own.

The pipeline ends with the file: the tests of process/ take any process beside them for an orphan
of a backend.
"""

from collections.abc import Iterator

import pytest

from test.companions.chains.programs import Pipeline, pipeline


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with pipeline(tmp_path_factory.mktemp("three"), 3) as made:
        yield made
