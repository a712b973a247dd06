"""A site with style sheets and images that the script swaps in its pages."""

from pathlib import Path

from test.browser import Visit
from test.harness import Proxy
from test.whole.client.site import served

RED, GREEN = "rgb(255, 0, 0)", "rgb(0, 128, 0)"
REFRESH = ("--refresh", "static/**")
TALL = '<input id="text"><div style="height: 5000px"></div>'


def svg(width: int) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="10"/>'


def site(project: Path, body: str, **files: str) -> Proxy:
    """A page, and files in static/; `site_css` is static/site.css."""
    static = project / "static"
    static.mkdir()
    for name, text in files.items():
        (static / name.replace("_", ".")).write_text(text)
    return served(project, *REFRESH, body=body + TALL)


def save(proxy: Proxy, name: str, text: str) -> None:
    proxy.save(f"static/{name}", text, by="rename")


def used(visit: Visit) -> None:
    """Type and scroll in a page, as a user who would not like to lose that."""
    visit.page.fill("#text", "typed")
    visit.page.evaluate("window.isTheSame = true; scrollTo(0, 777)")


def assert_same(visit: Visit) -> None:
    """Assert that the page was not reloaded and still has its text and position."""
    visit.rest()
    assert visit.page.evaluate("window.isTheSame") is True
    assert visit.page.evaluate("scrollY") == 777
    assert visit.page.input_value("#text") == "typed"
    assert visit.loads == 1
