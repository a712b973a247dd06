"""A real browser: Chromium without a window, driven through playwright."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from test.deadline import PATIENCE_S

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@contextmanager
def open_page() -> Iterator[Page]:
    """A page of a fresh profile; what the browser's own console says is kept by the page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_S * 1000)
            yield page
        finally:
            browser.close()
