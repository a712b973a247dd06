"""Fixtures: one browser and one program for a file of tests, and a page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from test.browser import open_browser
from test.dashboard import opened, started
from test.harness import Proxy


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with open_browser() as context:
        yield context


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One program for all tests that leave it running."""
    with started(tmp_path_factory.mktemp("shop")) as proxy:
        yield proxy.running()


@pytest.fixture
def page(browser: BrowserContext, proxy: Proxy) -> Iterator[Page]:
    with_page = opened(browser, proxy)
    yield with_page
    with_page.close()
