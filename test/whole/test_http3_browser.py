"""Real Chromium over HTTP/3, with the flags that the program prints."""

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from test.browser import open_page
from test.https import HttpsProxy

FILES = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
PAGE = "<!doctype html><title>page</title><link rel=stylesheet href=a.css><h1>version {}</h1>"

# The protocols of the page and of its resources.
PROTOCOLS = """[...new Set(['navigation', 'resource'].flatMap(
  kind => performance.getEntriesByType(kind).map(entry => entry.nextHopProtocol)
))]"""


def flags(proxy: HttpsProxy) -> list[str]:
    """The flags of Chromium in the printed command."""
    shown = proxy.wait_output(r"--origin-to-force-quic-on=\S+\s+--ignore-cert\S+")
    return re.split(r"\s+", shown[0])


def protocols(page: Page) -> list[str]:
    found = page.evaluate(PROTOCOLS)
    assert isinstance(found, list)
    return found


@pytest.fixture
def site(project: Path) -> Path:
    (project / "index.html").write_text(PAGE.format(0))
    (project / "a.css").write_text("h1 { color: rgb(0, 128, 0) }")
    return project


def test_page_comes_over_http3_and_reloads(site: Path) -> None:
    with HttpsProxy(site, FILES, "--http3") as proxy:
        proxy.running()
        with open_page(*flags(proxy)) as page:
            page.goto(f"https://127.0.0.1:{proxy.port}/")
            expect(page.locator("h1")).to_have_css("color", "rgb(0, 128, 0)")
            assert protocols(page) == ["h3"]
            assert page.evaluate("isSecureContext")
            answer = "fetch('/_hpp/status').then(response => response.json())"
            assert page.evaluate(answer)["state"] == "running"
            with proxy.restart():
                proxy.save("index.html", PAGE.format("of a longer name"))
            expect(page.locator("h1")).to_have_text("version of a longer name")
            assert protocols(page) == ["h3"]


def test_upload_and_download_over_http3(site: Path) -> None:
    (site / "large").write_bytes(bytes(5_000_000))
    with HttpsProxy(site, FILES, "--http3") as proxy:
        proxy.running()
        with open_page(*flags(proxy)) as page:
            page.goto(f"https://127.0.0.1:{proxy.port}/")
            size = "fetch('/large').then(r => r.arrayBuffer()).then(b => b.byteLength)"
            assert page.evaluate(size) == 5_000_000
            # http.server refuses POST without reading its body.
            post = "fetch('/', {method: 'POST', body: new Uint8Array(3e6)}).then(r => r.status)"
            assert page.evaluate(post) in (501, 502)
            assert protocols(page) == ["h3"]
