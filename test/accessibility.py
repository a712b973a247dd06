"""axe-core, run in a page: the rules of accessibility (WCAG 2) that a program can check."""

import importlib.resources

from playwright.sync_api import Page

_AXE = importlib.resources.files("axe_playwright_python") / "axe.min.js"


def violations(page: Page) -> list[str]:
    """Return each violated rule with the elements, in the page as it is shown now."""
    page.evaluate(_AXE.read_text("utf-8"))
    results = page.evaluate("axe.run()")
    return [
        f"{rule['id']}: {[node['html'] for node in rule['nodes']]}"
        for rule in results["violations"]
    ]
