"""The page about the proxy itself in a real browser: every control, live news, and its walls."""

import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from test.browser import open_browser
from test.deadline import PATIENCE_S
from test.harness import Proxy, backend

SHOP = backend("shop.py")
RED = "rgb(240, 113, 123)"


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with open_browser() as context:
        yield context


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One program for all tests that do not break it."""
    with started(tmp_path_factory.mktemp("shop")) as proxy:
        yield proxy.running()


def started(project: Path) -> Proxy:
    (project / "hook.py").write_text("200")
    return Proxy(project, SHOP)


@pytest.fixture
def page(browser: BrowserContext, proxy: Proxy) -> Iterator[Page]:
    with_page = opened(browser, proxy)
    yield with_page
    with_page.close()


def opened(browser: BrowserContext, proxy: Proxy) -> Page:
    """The page, once it is connected. An error in its console fails the test at its end."""
    page = browser.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    page.goto(f"{proxy.url}/_hpp/")
    expect(state(page)).to_have_text("Running")
    return page


def state(page: Page) -> Locator:
    return page.get_by_role("status").get_by_role("heading", level=1)


def send(
    proxy: Proxy, method: str, target: str, body: str = "", **fields: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)
    connection.request(method, target, body or None, dict(fields))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def row(page: Page, name: str) -> Locator:
    """The newest line of the table whose request is this."""
    button = page.get_by_role("button", name=name, exact=True)
    return page.locator("#requests tr").filter(has=button).first


# State, restarts, history


def test_the_button_restarts_the_server(page: Page, proxy: Proxy) -> None:
    before = proxy.status()["generation"]
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#facts")).to_contain_text(f"start {before + 1},")
    expect(state(page)).to_have_text("Running")
    expect(page.locator("#restarts li").first).to_contain_text("asked for")
    expect(page.locator("#history li").nth(2)).to_contain_text("restart asked for by the page")
    expect(page.get_by_role("button", name="Restart")).to_be_enabled()


def test_a_save_shows_as_a_restart_with_its_stages(page: Page, proxy: Proxy) -> None:
    with proxy.restart():
        proxy.save("views.py", "1")
    last = page.locator("#restarts li").first
    expect(last).to_contain_text("views.py")
    expect(last).to_contain_text(re.compile(r"drain .* ms, stop .* ms, start .* ms, ready .* ms"))
    widths = last.locator(".bar i").evaluate_all("bars => bars.map(bar => bar.offsetWidth)")
    assert len(widths) >= 3
    assert sum(widths) <= last.evaluate("line => line.offsetWidth") + 12
    expect(page.locator("#why")).to_contain_text("after a change of views.py")
    expect(page.locator("#strip i.running")).not_to_have_count(0)


def test_an_error_and_its_end(browser: BrowserContext, tmp_path: Path) -> None:
    with started(tmp_path) as proxy:
        proxy.running()
        page = opened(browser, proxy)
        proxy.save("hook.py", "")
        expect(state(page)).to_have_text("Not running")
        expect(page.locator("#why")).to_have_text("exited with status 1, after a change of hook.py")
        line = page.locator("#output span", has_text="hook.py is empty")
        expect(line).to_have_css("color", RED)
        proxy.save("hook.py", "200")
        expect(state(page)).to_have_text("Running")
        page.close()


def test_the_page_outlives_the_proxy(browser: BrowserContext, tmp_path: Path) -> None:
    with started(tmp_path) as proxy:
        page = opened(browser, proxy.running())
        send(proxy, "GET", "/of-the-first-run")
        expect(row(page, "GET /of-the-first-run")).to_be_visible()
        proxy.stop()
        expect(state(page)).to_have_text("No answer")
    again = started(tmp_path)
    again.port, again.arguments = proxy.port, proxy.arguments
    with again:
        expect(state(page)).to_have_text("Running")
        expect(row(page, "GET /of-the-first-run")).to_have_count(0)
        page.get_by_role("button", name="Restart").click()  # with the token of this run
        expect(page.locator("#facts")).to_contain_text("start 2,")
        page.close()


# Requests


def test_requests_show_while_they_come(page: Page, proxy: Proxy) -> None:
    send(proxy, "GET", "/status/404")
    line = row(page, "GET /status/404")
    expect(line.locator(".status")).to_have_text("404")
    expect(line).to_contain_text(re.compile(r"\d ms"))
    with proxy.restart():
        proxy.save("views.py", "2")
        send(proxy, "GET", "/held")
    expect(row(page, "GET /held")).to_contain_text(re.compile(r"held \d+"))


def test_old_requests_show_too(proxy: Proxy, browser: BrowserContext) -> None:
    send(proxy, "GET", "/before")
    page = opened(browser, proxy)
    expect(row(page, "GET /before")).to_be_visible()
    numbers = page.locator("#requests tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert numbers == sorted(numbers, key=int, reverse=True)
    page.close()


def test_the_filters(page: Page, proxy: Proxy) -> None:
    for method, target in (("GET", "/filter/a"), ("PUT", "/filter/b"), ("GET", "/status/418")):
        send(proxy, method, target)
    shown = page.locator("#requests tr:visible .request")
    teapot = page.get_by_role("button", name="GET /status/418")
    expect(teapot).to_be_visible()
    page.get_by_role("searchbox", name="Path").fill("/FILTER")
    expect(shown).to_have_text(["PUT /filter/b", "GET /filter/a"])
    page.get_by_role("combobox", name="Method").select_option("GET")
    expect(shown).to_have_text(["GET /filter/a"])
    page.get_by_role("searchbox", name="Path").fill("")
    page.get_by_role("combobox", name="Status").select_option("4xx")
    expect(teapot).to_be_visible()
    expect(page.get_by_role("button", name="GET /filter/a")).to_be_hidden()
    page.get_by_role("searchbox", name="Path").fill("nothing")
    expect(page.locator("#no-requests")).to_have_text("No request fits the filter.")


def test_websockets_that_are_open(page: Page, proxy: Proxy) -> None:
    with proxy.connect() as wire:
        fields = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        wire.send(f"GET /socket HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        assert wire.response().status == 101
        expect(page.locator("#sockets")).to_have_text("1 WebSocket open")
        expect(row(page, "GET /socket")).to_contain_text("WebSocket open")
        with proxy.restart():
            proxy.save("views.py", "3")
    expect(page.locator("#sockets")).to_be_hidden()
    expect(row(page, "GET /socket")).to_contain_text("closed by a restart")


def test_details_by_the_keyboard_alone(page: Page, proxy: Proxy) -> None:
    send(proxy, "POST", "/details", "hello", Cookie="a=b")
    button = row(page, "POST /details").get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="POST /details")
    expect(dialog).to_be_visible()
    expect(dialog.locator("pre").nth(0)).to_contain_text("Cookie: a=b")
    expect(dialog.locator("pre").nth(1)).to_have_text("hello")
    expect(dialog.locator("pre").nth(2)).to_contain_text("HTTP/1.1 200 OK")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_a_click_on_a_line_shows_it_too(page: Page, proxy: Proxy) -> None:
    send(proxy, "GET", "/line")
    row(page, "GET /line").locator(".status").click()
    expect(page.get_by_role("dialog", name="GET /line")).to_be_visible()


def test_a_request_is_sent_again(page: Page, proxy: Proxy) -> None:
    send(proxy, "PUT", "/again", "body")
    row(page, "PUT /again").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    number = dialog.locator("dd").first.inner_text()
    dialog.get_by_role("button", name="Replay").click()
    dialog.get_by_role("button", name=re.compile(r"number \d+")).click()
    expect(dialog.locator("dl")).to_contain_text(f"Replay of{number}")
    expect(dialog.locator("pre").nth(1)).to_have_text("body")
    page.keyboard.press("Escape")
    expect(row(page, "PUT /again")).to_contain_text(f"replay of {number}")


def test_a_large_request_cannot_be_sent_again(page: Page, proxy: Proxy) -> None:
    send(proxy, "PUT", "/large", "x" * 20_000)
    row(page, "PUT /large").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Replay")).to_be_disabled()
    expect(dialog).to_contain_text("Body: not kept")


def test_the_last_failed_request_comes_again_after_a_restart(page: Page, proxy: Proxy) -> None:
    with proxy.restart():
        proxy.save("hook.py", "500")
    send(proxy, "POST", "/hook", "event")
    expect(page.locator("#last-failed")).to_contain_text("Next: POST /hook")
    switch = page.get_by_role("switch")
    with page.expect_response("**/replay-failed?on=true"):
        switch.check()
    with proxy.restart():
        proxy.save("hook.py", "200")
    expect(row(page, "POST /hook").locator(".status")).to_have_text("200")
    expect(row(page, "POST /hook")).to_contain_text("replay of")
    expect(page.locator("#last-failed")).to_be_empty()
    page.reload()
    expect(switch).to_be_checked()
    with page.expect_response("**/replay-failed?on=false"):
        switch.uncheck()
    page.reload()
    expect(switch).not_to_be_checked()


# Output


def printed(proxy: Proxy, *lines: str) -> None:
    assert send(proxy, "POST", "/print", "\n".join(lines)).status == 200


def test_output_is_coloured_over_lines(page: Page, proxy: Proxy) -> None:
    printed(proxy, "\x1b[31mred", "too\x1b[0m plain-now")
    for text in ("red", "too"):
        expect(page.locator("#output span", has_text=text).last).to_have_css("color", RED)
    assert (
        page.locator("#output span", has_text="plain-now").last.evaluate("span => span.style.color")
        == ""
    )


def test_output_is_searched(page: Page, proxy: Proxy) -> None:
    printed(proxy, "needle one", "hay", "NEEDLE two")
    lines = page.locator("#output div:visible")
    expect(page.locator("#output")).to_contain_text("NEEDLE two")
    page.get_by_role("searchbox", name="Search output").fill("needle")
    expect(lines).to_have_text(["needle one", "NEEDLE two"])
    expect(page.locator("#found")).to_have_text("2 lines")
    printed(proxy, "needle three", "hay")
    expect(lines).to_have_count(3)


def test_output_is_followed_unless_one_scrolls_up(page: Page, proxy: Proxy) -> None:
    output = page.get_by_role("log", name="Output")
    at_end = "out => out.scrollHeight - out.scrollTop - out.clientHeight < 2"
    printed(proxy, *[f"line {number}" for number in range(200)])
    expect(output).to_contain_text("line 199")
    assert output.evaluate(at_end)
    output.hover()
    page.mouse.wheel(0, -600)
    follow = page.get_by_role("button", name="Newest")
    expect(follow).to_be_visible()
    printed(proxy, "the last line")
    expect(output).to_contain_text("the last line")
    assert not output.evaluate(at_end)
    follow.click()
    expect(follow).to_be_hidden()
    assert output.evaluate(at_end)


# Walls


def test_what_comes_from_elsewhere_is_text(page: Page, proxy: Proxy) -> None:
    attack = "<img/src=x:/onerror=document.title='broken'>"
    send(proxy, "GET", f"/{attack}", **{"X-Attack": attack})
    printed(proxy, f"<b>output</b>{attack}")
    expect(page.locator("#output")).to_contain_text(f"<b>output</b>{attack}")
    row(page, f"GET /{attack}").get_by_role("button").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"X-Attack: {attack}")
    assert page.locator("img").count() == 0
    assert "broken" not in page.title()


def test_a_page_of_the_server_gets_nothing_out_of_it(browser: BrowserContext, proxy: Proxy) -> None:
    page = browser.new_page()
    page.goto(proxy.url)

    def status(target: str, options: Mapping[str, object] | None = None) -> int:
        answered: int = page.evaluate(
            "([target, options]) => fetch(target, options).then(answer => answer.status)",
            [target, dict(options or {})],
        )
        return answered

    before = proxy.status()["generation"]
    assert status("/_hpp/") == 403
    assert status("/_hpp/requests") == 403
    assert status("/_hpp/requests/1") == 403
    for target in ("/_hpp/restart", "/_hpp/requests/1/replay", "/_hpp/replay-failed?on=true"):
        assert status(target, {"method": "POST"}) == 403
    with browser.expect_page() as opening:
        page.evaluate("window.other = window.open('/_hpp/'); 0")
    expect(state(opening.value)).to_have_text("Running")
    assert page.evaluate("other.closed")  # another browsing context group: not to be reached
    page.evaluate(
        """new Promise(loaded => document.body.append(
            Object.assign(document.createElement('iframe'), {src: '/_hpp/', onload: loaded})
        )).then(() => 0)"""
    )
    assert not [frame for frame in page.frames if frame.query_selector("meta[name=hpp-token]")]
    assert proxy.status()["generation"] == before
    opening.value.close()
    page.close()


# For every eye and hand


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(
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


def test_every_control_has_a_name_and_can_be_reached(page: Page, proxy: Proxy) -> None:
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
