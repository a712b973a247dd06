"""axe-core, run in a page: the rules of accessibility (WCAG 2) that a program can check."""

import importlib.resources

from playwright.sync_api import Page

_AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"


def violations(page: Page, within: str = "html") -> list[str]:
    """Return each violated rule with its elements within one of the page, as it is shown now."""
    page.evaluate(_AXE.read_text("utf-8"))
    results = page.evaluate("within => axe.run(within)", within)
    return [
        f"{rule['id']}: {[node['html'] for node in rule['nodes']]}"
        for rule in results["violations"]
    ]
