"""What the tests of ASGI share: a user of their own, who has no CA yet."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_data(data: Path) -> None:
    pass
