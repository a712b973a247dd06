"""The dashboard of a program with several services: a tab for each."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from test.dashboard import opened, row, send, state
from test.harness import Project
from test.shop_project import CRASH, shop
from test.whole.client.site import code
from test.whole.client.test_accessibility import Scheme, schemes, violations


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with shop(tmp_path_factory.mktemp("shop")) as proxy:
        for name in ("web", "api", "worker"):
            proxy.wait_service(name)
        yield proxy


@pytest.fixture
def page(browser: BrowserContext, proxy: Project) -> Iterator[Page]:
    page = opened(browser, proxy)
    yield page
    page.close()


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=re.compile(f"^{name}"))


def chosen(page: Page) -> Locator:
    return page.get_by_role("tab", selected=True)


def test_tabs_show_the_state_of_each_service(page: Page) -> None:
    texts = [f"{name}Running" for name in ("All", "web", "api", "worker")]
    expect(page.get_by_role("tab")).to_have_text([*texts, "docsExternal"])
    expect(chosen(page)).to_have_text("AllRunning")
    expect(page.locator("#why")).to_have_text("3 of 3 services run")


def test_tab_selects_the_requests_output_and_history_of_its_service(
    page: Page, proxy: Project
) -> None:
    send(proxy, "GET", "/of-the-site")
    send(proxy, "GET", "/api/")
    expect(row(page, "GET /of-the-site")).to_contain_text("web")
    expect(row(page, "GET /api/")).to_contain_text("api")
    output = page.locator("#output div:visible")
    expect(output.filter(has_text="working")).to_have_count(1)
    tab(page, "api").click()
    expect(row(page, "GET /api/")).to_be_visible()
    expect(row(page, "GET /of-the-site")).to_be_hidden()
    expect(output.filter(has_text='"GET / HTTP')).not_to_have_count(0)
    expect(output.filter(has_text="working")).to_have_count(0)
    expect(page.locator("#facts")).to_contain_text("start 1")
    expect(page.locator("#history li")).to_have_count(2)
    tab(page, "worker").click()
    expect(page.locator("#no-requests")).to_have_text("No requests yet.")
    expect(output).to_have_text(["working"])


def test_service_that_the_proxy_does_not_start_has_no_button(page: Page) -> None:
    tab(page, "docs").click()
    expect(state(page)).to_have_text("External")
    expect(page.locator("#why")).to_have_text("the proxy does not start it")
    for name in ("Restart", "Stop"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()


def test_reload_keeps_the_chosen_tab(page: Page) -> None:
    tab(page, "worker").click()
    page.reload()
    expect(chosen(page)).to_have_text("workerRunning")
    expect(page.locator("#command")).to_contain_text("worker.py")


def test_tabs_are_chosen_by_arrows(page: Page) -> None:
    chosen(page).focus()
    for key, name in (
        ("ArrowRight", "web"),
        ("ArrowRight", "api"),
        ("ArrowLeft", "web"),
        ("End", "docs"),
        ("ArrowRight", "All"),
        ("ArrowLeft", "docs"),
        ("Home", "All"),
    ):
        page.keyboard.press(key)
        expect(tab(page, name)).to_be_focused()
        expect(chosen(page)).to_contain_text(name)
    assert page.locator("[role=tab][tabindex='0']").count() == 1
    panel = page.get_by_role("tabpanel", name=re.compile("^All"))
    expect(panel).to_be_visible()


def test_button_restarts_the_chosen_service_alone(page: Page, proxy: Project) -> None:
    before = {name: proxy.service(name)["generation"] for name in ("web", "worker")}
    tab(page, "worker").click()
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#facts")).to_contain_text(f"start {before['worker'] + 1},")
    expect(state(page)).to_have_text("Running")
    assert proxy.service("web")["generation"] == before["web"]


def test_button_of_all_restarts_each_service(page: Page, proxy: Project) -> None:
    before = {name: proxy.service(name)["generation"] for name in ("web", "api", "worker")}
    page.get_by_role("button", name="Restart all").click()
    for name, generation in before.items():
        proxy.wait_service(name, after=generation)
    expect(page.locator("#restarts li").filter(has_text="api asked for")).not_to_have_count(0)


def test_service_is_stopped_and_started(page: Page, proxy: Project) -> None:
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    tab(page, "worker").click()
    page.get_by_role("button", name="Stop").click()
    expect(state(page)).to_have_text("Stopped")
    expect(tab(page, "All")).to_have_text("AllRunning")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(state(page)).to_have_text("Running")


def test_worst_state_is_that_of_all_and_of_the_title(page: Page, proxy: Project) -> None:
    icon = page.locator("link[rel=icon]")
    expect(page).to_have_title(re.compile("^Running "))
    running = icon.get_attribute("href")
    proxy.save("api/page.py", CRASH)
    proxy.wait_service("api", "error")
    expect(tab(page, "All")).to_have_text("AllNot running")
    expect(tab(page, "api")).to_have_text("apiNot running")
    expect(tab(page, "web")).to_have_text("webRunning")
    expect(page.locator("#why")).to_contain_text("api: exited with status 1")
    tab(page, "web").click()
    expect(state(page)).to_have_text("Running")
    expect(page).to_have_title(re.compile("^api: Not running "))
    assert icon.get_attribute("href") != running
    proxy.save("api/page.py", code("api"))
    expect(page).to_have_title(re.compile("^Running "))


@schemes
def test_tabs_have_no_violations_and_fit_a_phone(
    page: Page, proxy: Project, scheme: Scheme
) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    send(proxy, "GET", "/")
    expect(row(page, "GET /")).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 360, "height": 740})
    tab(page, "worker").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page) == []
