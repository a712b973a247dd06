"""A site with style sheets and images that are swapped in its pages."""

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
    """Type and scroll, as somebody who would not like to lose it."""
    visit.page.fill("#text", "typed")
    visit.page.evaluate("window.isTheSame = true; scrollTo(0, 777)")


def assert_same(visit: Visit) -> None:
    """The page was not loaded again, and nobody had to restore anything."""
    visit.rest()
    assert visit.page.evaluate("window.isTheSame") is True
    assert visit.page.evaluate("scrollY") == 777
    assert visit.page.input_value("#text") == "typed"
    assert visit.loads == 1
