"""The script in pages of a program with several services: which one has ended, and one reload."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from test.browser import MARK, OVERLAY, Visit
from test.harness import Project
from test.shop_project import CRASH, shop
from test.whole.client.site import code

EDITOR = 'editor = "x-test:{file}#{line}"'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with shop(tmp_path_factory.mktemp("shop"), EDITOR) as proxy:
        yield proxy


@pytest.fixture
def proxy(running: Project) -> Iterator[Project]:
    """The program, whose services run before and after a test."""
    for name in ("web", "api", "worker"):
        running.wait_service(name)
    yield running
    for name in ("web", "api"):
        if running.service(name)["state"] == "error":
            mend(running, name)


def break_(proxy: Project, name: str) -> None:
    before = proxy.service(name)["generation"]
    proxy.save(f"{name}/page.py", CRASH)
    proxy.wait_service(name, "error", after=before)


def mend(proxy: Project, name: str) -> None:
    before = proxy.service(name)["generation"]
    proxy.save(f"{name}/page.py", code(name))
    proxy.wait_service(name, after=before)


def panel(page: Page, title: str) -> Locator:
    return page.locator(OVERLAY).get_by_role("alertdialog", name=title)


def test_page_shows_a_crash_of_the_api_and_reloads_once_it_is_mended(
    context: BrowserContext, proxy: Project
) -> None:
    visit = Visit(context, f"{proxy.url}/")
    break_(proxy, "api")
    expect(panel(visit.page, "api has ended")).to_contain_text("exited with status 1")
    expect(panel(visit.page, "api has ended").locator("pre")).to_contain_text("api is broken")
    expect(visit.page.locator(f"{OVERLAY} code")).to_contain_text("page_site.py")
    place = visit.page.locator(f"{OVERLAY} pre a")
    expect(place).to_have_attribute("href", f"x-test:{proxy.project}/api/views.py#3")
    assert visit.loads == 1
    mend(proxy, "api")
    visit.until(lambda: visit.loads == 2)
    expect(visit.page.locator(OVERLAY)).to_have_count(0)
    visit.rest()
    assert visit.loads == 2


def test_save_that_concerns_all_services_is_one_reload(
    context: BrowserContext, proxy: Project
) -> None:
    visit = Visit(context, f"{proxy.url}/")
    before = {name: proxy.service(name)["generation"] for name in ("web", "api", "worker")}
    proxy.save("shared.py", "# changed")
    for name, generation in before.items():
        proxy.wait_service(name, after=generation)
    visit.until(lambda: visit.loads == 2)
    visit.rest()
    assert visit.loads == 2


def test_restart_of_a_worker_does_not_reload_the_page(
    context: BrowserContext, proxy: Project
) -> None:
    visit = Visit(context, f"{proxy.url}/")
    before = proxy.service("worker")["generation"]
    proxy.save("worker.py", (proxy.project / "worker.py").read_text())
    proxy.wait_service("worker", after=before)
    visit.rest()
    assert visit.loads == 1
    expect(visit.page.locator(OVERLAY)).to_have_count(0)


def test_error_of_the_pages_own_service_is_shown_first(
    context: BrowserContext, proxy: Project
) -> None:
    page = Visit(context, f"{proxy.url}/").page
    break_(proxy, "api")
    expect(panel(page, "api has ended")).to_be_visible()
    break_(proxy, "web")
    expect(panel(page, "web has ended")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel(page, "api has ended")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(OVERLAY)).to_have_count(0)
    page.locator(MARK).get_by_role("button", name="web has ended").click()
    expect(panel(page, "web has ended")).to_be_visible()
    mend(proxy, "web")  # the page reloads: the panel that was hidden stays so
    expect(page).to_have_title("web")
    page.locator(MARK).get_by_role("button", name="api has ended").click()
    expect(panel(page, "api has ended")).to_be_visible()


def test_error_page_of_a_service_reloads_when_that_service_is_back(
    context: BrowserContext, proxy: Project
) -> None:
    break_(proxy, "api")
    visit = Visit(context, f"{proxy.url}/api/")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("api has ended")
    mend(proxy, "web")  # a restart, which does not concern the page
    visit.rest()
    assert visit.loads == 1
    mend(proxy, "api")
    visit.reloaded("api")
