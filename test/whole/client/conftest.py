"""Fixtures: one browser for all tests of the proxy's script, with fresh pages for each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from test.browser import open_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with open_browser() as context:
        yield context


@pytest.fixture
def context(browser: BrowserContext) -> Iterator[BrowserContext]:
    yield browser
    for page in browser.pages:
        page.close()
