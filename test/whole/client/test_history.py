"""The back button: the browser shows a cached page, and the script knows whether it is stale."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import Visit
from test.harness import Proxy
from test.whole.client.site import code, html, served

CACHED = "HEADERS = {'Cache-Control': 'max-age=0'}\n"
HOW = "performance.getEntriesByType('navigation')[0].deliveryType"


def cached(title: str) -> str:
    """The source of page.py, with pages that the browser may cache."""
    return CACHED + code(title, other=html(f"after the {title}"))


def gone_on(context: BrowserContext, proxy: Proxy) -> Visit:
    """A tab that navigated from the first page to another."""
    visit = Visit(context, proxy.running().url)
    hellos = visit.hellos
    visit.page.goto(f"{proxy.url}/other")
    visit.greeted_again(hellos)
    return visit


def start(project: Path) -> Proxy:
    proxy = served(project)
    (project / "page.py").write_text(cached("first"))
    return proxy


def test_page_cached_before_a_restart_is_reloaded(context: BrowserContext, tmp_path: Path) -> None:
    with start(tmp_path) as proxy:
        visit = gone_on(context, proxy)
        proxy.save("page.py", cached("second"))
        visit.reloaded("after the second")
        visit.page.go_back()
        expect(visit.page).to_have_title("second")


def test_cached_page_that_is_current_is_not_reloaded(
    context: BrowserContext, tmp_path: Path
) -> None:
    with start(tmp_path) as proxy:
        visit = gone_on(context, proxy)
        loads, hellos = visit.loads, visit.hellos
        visit.page.go_back()
        visit.greeted_again(hellos)
        assert visit.page.evaluate(HOW) == "cache"
        visit.rest()
        assert visit.loads == loads + 1
