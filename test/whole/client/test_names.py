"""The script in a real browser: it works although the page shadows names of the browser."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import OVERLAY, Visit
from test.harness import Proxy
from test.whole.client.site import PAGES, code, html

# For no-transform (RFC 9111 section 5.2.2.6) the proxy injects no tag; the page has its own.
UNCHANGED = 'HEADERS = {"Cache-Control": "no-store, no-transform"}\n'
FIRST = '<script src="/_hpp/client.js"></script>'
NAMES = [
    *("Array", "CSS", "CSSStyleSheet", "Date", "Event", "Image", "JSON", "Map", "Math", "Number"),
    *("MutationObserver", "Object", "PerformanceObserver", "Promise", "Reflect", "RegExp", "Set"),
    *("String", "Symbol", "URL", "WeakSet", "WebSocket", "addEventListener", "clearInterval"),
    *("clearTimeout", "console", "decodeURIComponent", "encodeURIComponent", "event", "fetch"),
    *("frames", "length", "name", "navigator", "origin", "parent", "performance", "screen", "self"),
    *("removeEventListener", "sessionStorage", "setInterval", "setTimeout", "status"),
]
FIELDS = '<input id="text"><div style="height: 3000px"></div>'


def shadowing(how: str) -> str:
    """A page that uses all these names for its own variables."""
    if how == "var":
        return "".join(f"<script>var {name} = 'mine';</script>" for name in NAMES)
    if how == "function":
        return "".join(f"<script>function {name}() {{}}</script>" for name in NAMES)
    return "".join(f"<script>{how} {name} = 'mine';</script>" for name in NAMES)


@pytest.mark.parametrize("how", ["var", "function", "const", "let"])
def test_page_with_names_of_the_browser_reloads_and_keeps_typed_text(
    context: BrowserContext, tmp_path: Path, how: str
) -> None:
    body = FIRST + shadowing(how) + FIELDS
    (tmp_path / "page.py").write_text(UNCHANGED + code("first", body))
    with Proxy(tmp_path, PAGES) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.locator("#text").press_sequentially("typed")
        proxy.save("page.py", UNCHANGED + code("second", body))
        visit.reloaded("second")
        expect(visit.page.locator("#text")).to_have_value("typed")
        with proxy.restart(to="error"):
            proxy.save("page.py", "raise SystemExit('see main.go:3')")
        expect(visit.page.locator(OVERLAY)).to_contain_text("main.go:3")
        assert not [line for line in visit.console if "uncaught" in line]


def test_frame_in_a_page_with_names_of_the_browser_reloads_with_it(
    context: BrowserContext, tmp_path: Path
) -> None:
    frame = FIRST + shadowing("var") + '<iframe src="/frame"></iframe>'
    inner = html("in", FIRST + shadowing("var") + FIELDS)
    (tmp_path / "page.py").write_text(UNCHANGED + code("first", frame, frame=inner))
    with Proxy(tmp_path, PAGES) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.frame_locator("iframe").locator("#text").press_sequentially("typed")
        changed = html("changed", FIRST + shadowing("var") + FIELDS)
        proxy.save("page.py", UNCHANGED + code("second", frame, frame=changed))
        visit.reloaded("second")
        inside = visit.page.frame_locator("iframe")
        expect(inside.locator("h1")).to_have_text("changed")
        expect(inside.locator("#text")).to_have_value("typed")
        visit.rest()
        assert visit.loads == 2
