"""The dashboard: closed to other pages, and accessible."""

from collections.abc import Mapping

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect

from test.dashboard import printed, row, send
from test.harness import Proxy


def test_data_from_outside_is_shown_as_text(page: Page, proxy: Proxy) -> None:
    attack = "<img/src=x:/onerror=document.title='broken'>"
    send(proxy, "GET", f"/{attack}", **{"X-Attack": attack})
    printed(proxy, f"<b>output</b>{attack}")
    expect(page.locator("#output")).to_contain_text(f"<b>output</b>{attack}")
    row(page, f"GET /{attack}").get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"X-Attack: {attack}")
    assert page.locator("img").count() == 0
    assert "broken" not in page.title()


def test_page_of_the_server_gets_403_from_the_api(browser: BrowserContext, proxy: Proxy) -> None:
    page = browser.new_page()
    page.goto(proxy.url)

    def status(target: str, options: Mapping[str, object] | None = None) -> int:
        answered: int = page.evaluate(
            "([target, options]) => fetch(target, options).then(answer => answer.status)",
            [target, dict(options or {})],
        )
        return answered

    before = proxy.status()["generation"]
    for target in ("/_hpp/requests", "/_hpp/requests/1"):
        assert status(target) == 403
    for target in ("/_hpp/restart", "/_hpp/requests/1/replay", "/_hpp/replay-failed?on=true"):
        assert status(target, {"method": "POST"}) == 403
    for target in ("", "_hpp/", "_hpp/dashboard.js", "_hpp/requests"):
        with pytest.raises(Error, match="Failed to fetch"):
            status(f"{proxy.dashboard_url}{target}")
    page.evaluate(
        """url => new Promise(loaded => document.body.append(
            Object.assign(document.createElement('iframe'), {src: url, onload: loaded})
        )).then(() => 0)""",
        f"{proxy.url}/_hpp/",
    )
    assert not [frame for frame in page.frames if frame.query_selector("meta[name=hpp-token]")]
    assert proxy.status()["generation"] == before
    page.close()


# Accessibility


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_not_wider_than_the_screen(
    page: Page, proxy: Proxy, scheme: str, width: int
) -> None:
    send(proxy, "GET", "/" + "long" * 100)
    send(proxy, "GET", "/" + "word-" * 100)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 740})
    expect(row(page, "GET /" + "word-" * 100)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    red = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(red) < 128) == (scheme == "dark")
    row(page, "GET /" + "long" * 100).get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= width


def test_every_control_is_reached_by_tab(page: Page, proxy: Proxy) -> None:
    send(proxy, "GET", "/reach")
    expect(row(page, "GET /reach")).to_be_visible()
    wanted = {"restart", "filter-text", "filter-method", "filter-status", "replay-failed", "search"}
    reached = set()
    page.locator("body").press("Tab")
    for _ in range(80 + page.locator("#requests tr").count()):
        reached.add(page.evaluate("document.activeElement.id"))
        outlined = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outlined != "none" or page.evaluate("document.activeElement === document.body")
        page.keyboard.press("Tab")
    assert wanted <= reached
