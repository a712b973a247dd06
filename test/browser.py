"""A real browser: headless Chromium, driven through playwright."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, WebSocket, expect, sync_playwright

from test.deadline import MS, PATIENCE_S

# The same engine without the parts of a window takes a third less time: run.sh installs it.
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]

# Matches once livereload.js is connected; a page's CSP may forbid a script that asks it.
CONNECTED = "html[data-livereload=connected]"
_MARK_CONNECTED = """document.addEventListener('LiveReloadConnect', () => {
  document.documentElement.dataset.livereload = 'connected';
});"""

# The shadow roots of the proxy's elements are closed; tests need to look inside.
_OPEN_SHADOWS = """const attachShadow = Element.prototype.attachShadow;
Element.prototype.attachShadow = function () {
  return attachShadow.call(this, {mode: 'open'});
};"""

# The elements that the proxy's script shows over a page.
OVERLAY = "http-process-proxy.overlay"
MARK = "http-process-proxy.mark"


@contextmanager
def open_browser(*flags: str) -> Iterator[BrowserContext]:
    """Open a browser with a fresh profile, which its pages share."""
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
    """Open a page in a browser with a fresh profile."""
    with open_browser(*flags) as context:
        yield context.new_page()


class Visit:
    """A page of the proxied site; counts its loads and the hellos of the proxy's script."""

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
        """Wait for a condition that depends on events of the browser."""
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
        """Wait until the number of hellos exceeds `hellos`."""
        self.until(lambda: self.hellos > hellos)

    def rest(self) -> None:
        """Wait half a second, in which an unwanted event would happen."""
        self.page.wait_for_timeout(500 * MS * 1000)

    def _count_load(self, _: Page) -> None:
        self.loads += 1

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count_hello)

    def _count_hello(self, data: str | bytes) -> None:
        self.hellos += '"type": "hello"' in str(data)
