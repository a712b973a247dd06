"""A real browser: Chromium without a window, driven through playwright."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, WebSocket, expect, sync_playwright

from test.deadline import MS, PATIENCE_S

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

# The shadow roots of our own elements are closed. Tests look inside.
_OPEN_SHADOWS = """const attachShadow = Element.prototype.attachShadow;
Element.prototype.attachShadow = function () {
  return attachShadow.call(this, {mode: 'open'});
};"""

# What our script shows over a page.
OVERLAY = "http-process-proxy.overlay"
MARK = "http-process-proxy.mark"


@contextmanager
def open_browser(*flags: str) -> Iterator[BrowserContext]:
    """A fresh profile, for pages that share it."""
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            context = browser.new_context()
            context.set_default_timeout(PATIENCE_S * 1000)
            context.add_init_script(_MARK_CONNECTED)
            context.add_init_script(_OPEN_SHADOWS)
            yield context
        finally:
            browser.close()


@contextmanager
def open_page(*flags: str) -> Iterator[Page]:
    """A page of a fresh profile."""
    with open_browser(*flags) as context:
        yield context.new_page()


class Visit:
    """A page of the proxied site: how often it was loaded, and that our script is connected."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page = context.new_page()
        self.loads = 0
        self.hellos = 0
        self.console: list[str] = []
        self.page.on("load", self._count_load)
        self.page.on("websocket", self._listen)
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(f"uncaught: {error}"))
        self.page.goto(url)
        self.greeted_again(0)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the browser tells us of."""
        left_ms = PATIENCE_S * 1000
        while not condition():
            assert left_ms > 0, f"{self.loads} loads, {self.hellos} hellos, {self.console}"
            self.page.wait_for_timeout(10)
            left_ms -= 10

    def reloaded(self, title: str) -> None:
        """Wait until the page has this title after one reload, and is connected again."""
        loads, hellos = self.loads, self.hellos
        expect(self.page).to_have_title(title)
        self.until(lambda: self.loads > loads and self.hellos > hellos)

    def greeted_again(self, hellos: int) -> None:
        """Wait for more hellos than these."""
        self.until(lambda: self.hellos > hellos)

    def rest(self) -> None:
        """Wait for what should not happen."""
        self.page.wait_for_timeout(500 * MS * 1000)

    def _count_load(self, _: Page) -> None:
        self.loads += 1

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count_hello)

    def _count_hello(self, data: str | bytes) -> None:
        self.hellos += '"type": "hello"' in str(data)
