"""A real browser: Chromium without a window, driven through playwright."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect, sync_playwright

from test.deadline import PATIENCE_S

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

# Matches once livereload.js has shaken hands; a page's CSP may forbid to ask it by a script.
CONNECTED = "html[data-livereload=connected]"
_MARK_CONNECTED = """document.addEventListener('LiveReloadConnect', () => {
  document.documentElement.dataset.livereload = 'connected';
});"""


@contextmanager
def open_page(*flags: str) -> Iterator[Page]:
    """A page of a fresh profile."""
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE_S * 1000)
            page.add_init_script(_MARK_CONNECTED)
            yield page
        finally:
            browser.close()
