"""The injected script in a real browser: it runs and connects, and does not disturb the page."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocket, expect

from test.browser import open_page
from test.deadline import PATIENCE_S
from test.harness import Proxy, backend


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("project"), backend("pages.py")) as proxy:
        yield proxy.running()


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with open_page() as page:
        yield page


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    yield browser_page
    browser_page.goto("about:blank")


def connects(page: Page, url: str) -> None:
    """Open a page and wait until the script has received a message on its WebSocket."""
    heard: list[str] = []

    def is_ours(socket: WebSocket) -> bool:
        socket.on("framereceived", lambda _: heard.append(socket.url))
        return socket.url.endswith("/_hpp/events")

    with page.expect_event("websocket", is_ours) as opened:
        page.goto(url)
    if not heard:
        opened.value.wait_for_event("framereceived", timeout=PATIENCE_S * 1000)


# The script leaves this symbol in a page, and removes its own element.
HAS_RUN = "Symbol.for('http-process-proxy') in window"


def has_script(page: Page) -> bool:
    return page.evaluate(HAS_RUN) and page.locator("script[src*='_hpp']").count() == 0


@pytest.mark.parametrize(
    "name",
    [
        *("page", "no-head", "text", "coded", "integrity"),
        *("nonce", "nonce-strict", "none", "origin", "elements", "hash", "two"),
    ],
)
def test_script_runs(proxy: Proxy, page: Page, name: str) -> None:
    connects(page, f"{proxy.url}/{name}")
    expect(page.locator("body")).to_contain_text("hello")
    assert has_script(page)


@pytest.mark.parametrize("name", ["nonce", "nonce-strict", "elements"])
def test_scripts_of_the_page_still_run(proxy: Proxy, page: Page, name: str) -> None:
    page.goto(f"{proxy.url}/{name}")
    assert page.locator("html[data-ran]").count() == 1


@pytest.mark.parametrize("name", ["none", "origin", "hash", "sandbox", "two"])
def test_scripts_that_a_policy_forbids_stay_forbidden(proxy: Proxy, page: Page, name: str) -> None:
    page.goto(f"{proxy.url}/{name}")
    assert page.locator("html[data-ran]").count() == 0


@pytest.mark.parametrize("name", ["always-coded", "meta", "sandbox"])
def test_page_that_cannot_be_changed_has_no_script(proxy: Proxy, page: Page, name: str) -> None:
    page.goto(f"{proxy.url}/{name}")
    expect(page.locator("p")).to_have_text("hello")
    assert not has_script(page)


def test_policy_in_the_page_is_reported_once(proxy: Proxy, page: Page) -> None:
    for _ in range(2):
        page.goto(f"{proxy.url}/meta")
    proxy.wait_output("/meta: its own policy")
    assert proxy.output.count("its own policy") == 1


def test_page_keeps_its_document_mode(proxy: Proxy, page: Page) -> None:
    for name, mode in (("no-head", "CSS1Compat"), ("text", "BackCompat")):
        page.goto(f"{proxy.url}/{name}")
        assert page.evaluate("document.compatMode") == mode


def test_received_part_of_a_page_is_shown(proxy: Proxy, page: Page) -> None:
    page.goto(f"{proxy.url}/streamed", wait_until="commit")
    expect(page.locator("#first")).to_be_visible()
    assert page.locator("#last").count() == 0
    proxy.get("/go-on")
    expect(page.locator("#last")).to_be_visible()


def test_frame_has_a_script_of_its_own(proxy: Proxy, page: Page) -> None:
    connects(page, f"{proxy.url}/frame")
    expect(page.frame_locator("iframe").locator("p")).to_have_text("hello")
    assert page.frames[1].evaluate(HAS_RUN)


@pytest.mark.parametrize("name", ["page?kept", "hash", "nonce-strict"])
def test_cached_page_is_revalidated_by_304(proxy: Proxy, page: Page, name: str) -> None:
    for _ in range(2):
        connects(page, f"{proxy.url}/{name}")
    seen = json.loads(proxy.get("/seen").body)
    assert ["/" + name, 304] in seen


@pytest.mark.parametrize("name", ["text", "fresh"])
@pytest.mark.parametrize("fields", [{}, {"HX-Request": "true", "Accept": "text/html"}])
def test_fetch_of_a_script_gets_the_unchanged_page(
    proxy: Proxy, page: Page, name: str, fields: dict[str, str]
) -> None:
    """Not the browser's cached copy of the page, which has the script."""
    page.goto(f"{proxy.url}/{name}")
    fetched = page.evaluate(
        "headers => fetch(location, {headers}).then(response => response.text())", fields
    )
    assert fetched == "hello"


def test_scripts_of_the_page_do_not_see_the_injected_element(proxy: Proxy, page: Page) -> None:
    """A framework may compare the whole document with the one it would render."""
    connects(page, f"{proxy.url}/compared")
    assert page.evaluate("document.documentElement.dataset.seen") == "<title>page</title>"


def test_download_is_the_servers_file(proxy: Proxy, page: Page) -> None:
    connects(page, f"{proxy.url}/links")
    with page.expect_download() as download:
        page.click("#keep")
    assert b"_hpp" not in download.value.path().read_bytes()
    assert b"hello" in download.value.path().read_bytes()


def test_no_inject_leaves_the_page_unchanged(tmp_path: Path, page: Page) -> None:
    with Proxy(tmp_path, backend("pages.py"), "--no-inject") as proxy:
        page.goto(f"{proxy.running().url}/page")
        assert not has_script(page)
