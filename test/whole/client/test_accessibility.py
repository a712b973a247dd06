"""Accessibility by axe-core of the proxy's pages and of the overlay, in both colour schemes."""

import importlib.resources
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from test.browser import OVERLAY, Visit
from test.dashboard import opened, send, started
from test.whole.client.site import served

CRASH = r"""print("\x1b[7m12\x1b[0m " + "".join(f"\x1b[{30 + n}mcolour {n} " for n in range(1, 8)))
raise SystemExit("in main.go:3")
"""
schemes = pytest.mark.parametrize("scheme", ["light", "dark"])
Scheme = Literal["light", "dark"]

_AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"


def violations(page: Page, within: str = "html") -> list[str]:
    """Run axe-core (WCAG 2) in a page; return each violated rule with its elements in `within`."""
    page.evaluate(_AXE.read_text("utf-8"))
    results = page.evaluate("within => axe.run(within)", within)
    return [
        f"{rule['id']}: {[node['html'] for node in rule['nodes']]}"
        for rule in results["violations"]
    ]


@schemes
def test_overlay_has_no_violations(context: BrowserContext, tmp_path: Path, scheme: Scheme) -> None:
    with served(tmp_path, body="<p>text</p>") as proxy:
        page = Visit(context, proxy.running().url).page
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        with proxy.restart(to="error"):
            proxy.save("page.py", CRASH)
        expect(page.locator(OVERLAY)).to_be_visible()
        assert violations(page, OVERLAY) == []


@schemes
def test_error_page_has_no_violations(
    context: BrowserContext, tmp_path: Path, scheme: Scheme
) -> None:
    with served(tmp_path) as proxy:
        proxy.running()
        with proxy.restart(to="error"):
            proxy.save("page.py", CRASH)
        page = Visit(context, proxy.url).page
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(".output .place")).to_have_count(1)
        assert violations(page) == []


@schemes
def test_dashboard_has_no_violations(
    context: BrowserContext, tmp_path: Path, scheme: Scheme
) -> None:
    with started(tmp_path) as proxy:
        page = opened(context, proxy)
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for target in ("/", "/missing"):
            send(proxy, "GET", target)
        expect(page.locator("#requests tr")).not_to_have_count(0)
        assert violations(page) == []
