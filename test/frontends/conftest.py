"""A private data folder, without a CA, for every test of the frontends."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_data(data: Path) -> None:
    pass
