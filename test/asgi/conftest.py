"""A private user data folder for each test of ASGI, without a local CA in it."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_data(data: Path) -> None:
    pass
