"""The dashboard in a real browser: each control, and live events."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

from test.dashboard import opened, printed, row, send, started, state
from test.harness import Proxy

RED = "rgb(240, 113, 123)"


# State, restarts, history


def test_button_restarts_the_server(page: Page, proxy: Proxy) -> None:
    before = proxy.status()["generation"]
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("#facts")).to_contain_text(f"start {before + 1},")
    expect(state(page)).to_have_text("Running")
    expect(page.locator("#restarts li").first).to_contain_text("asked for")
    expect(page.locator("#history li").nth(2)).to_contain_text("restart asked for by the page")
    expect(page.get_by_role("button", name="Restart")).to_be_enabled()


def test_save_is_shown_as_a_restart_with_its_stages(page: Page, proxy: Proxy) -> None:
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


def test_error_is_shown_until_the_server_runs(browser: BrowserContext, tmp_path: Path) -> None:
    with started(tmp_path) as proxy:
        proxy.running()
        page = opened(browser, proxy)
        proxy.save("hook.py", "")
        expect(state(page)).to_have_text("Not running")
        expect(page.locator("#why")).to_have_text("exited with status 1, after a change of hook.py")
        line = page.locator("#output span", has_text="hook.py is empty")
        expect(line).to_have_css("color", RED)
        page.get_by_role("link", name="what it printed").click()
        expect(line).to_be_in_viewport()
        proxy.save("hook.py", "200")
        expect(state(page)).to_have_text("Running")
        page.close()


def test_notices_show_the_address_of_a_shared_site(browser: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    token = tmp_path / "token"
    token.write_text("shop secret\n")
    # No relay listens there; the notice with the address comes at once all the same.
    relay = "http://relay.localhost:9"
    with started(tmp_path / "project", "--share", relay, "--share-token-file", str(token)) as proxy:
        proxy.running()
        page = opened(browser, proxy)
        notices = page.locator("#notices")
        expect(notices).to_contain_text("anyone who knows this address can reach it")
        link = page.get_by_role("link", name="http://shop.relay.localhost:9/")
        expect(link).to_have_attribute("href", "http://shop.relay.localhost:9/")
        page.close()


def test_card_of_notices_is_hidden_without_notices(page: Page) -> None:
    expect(page.locator("#notices-card")).to_be_hidden()


def test_only_service_has_no_tab(page: Page) -> None:
    expect(page.get_by_role("tablist")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_page_reconnects_to_the_next_run_of_the_proxy(
    browser: BrowserContext, tmp_path: Path
) -> None:
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
        page.get_by_role("button", name="Restart").click()  # needs the token of the new run
        expect(page.locator("#facts")).to_contain_text("start 2,")
        page.close()


# Requests


def test_requests_are_shown_live(page: Page, proxy: Proxy) -> None:
    send(proxy, "GET", "/status/404")
    line = row(page, "GET /status/404")
    expect(line.locator(".status")).to_have_text("404")
    expect(line).to_contain_text(re.compile(r"\d ms"))
    with proxy.restart():
        proxy.save("views.py", "2")
        send(proxy, "GET", "/held")
    expect(row(page, "GET /held")).to_contain_text(re.compile(r"held \d+"))


def test_earlier_requests_are_shown(proxy: Proxy, browser: BrowserContext) -> None:
    send(proxy, "GET", "/before")
    page = opened(browser, proxy)
    expect(row(page, "GET /before")).to_be_visible()
    numbers = page.locator("#requests tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert numbers == sorted(numbers, key=int, reverse=True)
    page.close()


def test_filters_select_requests(page: Page, proxy: Proxy) -> None:
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


@contextmanager
def websocket(proxy: Proxy, target: str) -> Iterator[None]:
    """Open a WebSocket for the block."""
    with proxy.connect() as wire:
        fields = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        wire.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        assert wire.response().status == 101
        yield


def test_open_websockets_are_counted(page: Page, proxy: Proxy) -> None:
    with websocket(proxy, "/socket"):
        expect(page.locator("#sockets")).to_have_text("1 WebSocket open")
        expect(row(page, "GET /socket")).to_contain_text("WebSocket open")
        with proxy.restart():
            proxy.save("views.py", "3")
    expect(page.locator("#sockets")).to_be_hidden()
    expect(row(page, "GET /socket")).to_contain_text("closed by a restart")


def test_details_open_by_the_keyboard_alone(page: Page, proxy: Proxy) -> None:
    send(proxy, "POST", "/details", "hello", Cookie="a=b")
    line = row(page, "POST /details")
    expect(line.locator(".status")).to_have_text("200")  # not redrawn again
    button = line.get_by_role("button")
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


def test_changing_line_keeps_the_focus(page: Page, proxy: Proxy) -> None:
    with line_that_changes(page, proxy, "/socket?focused") as button:
        button.focus()
    expect(button).to_be_focused()


def test_changing_line_behind_its_details_keeps_the_focus(page: Page, proxy: Proxy) -> None:
    dialog = page.get_by_role("dialog", name="GET /socket?shown")
    with line_that_changes(page, proxy, "/socket?shown") as button:
        button.focus()
        page.keyboard.press("Enter")
        expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_changing_line_under_the_mouse_is_clicked(page: Page, proxy: Proxy) -> None:
    with line_that_changes(page, proxy, "/socket?clicked") as button:
        button.hover()
        page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("dialog", name="GET /socket?clicked")).to_be_visible()


@contextmanager
def line_that_changes(page: Page, proxy: Proxy, target: str) -> Iterator[Locator]:
    """The button of a line, which is redrawn at the end of the context."""
    line = row(page, f"GET {target}")
    with websocket(proxy, target):
        expect(line).to_contain_text("WebSocket open")
        yield line.get_by_role("button")
        proxy.save("views.py", target)
        expect(line).to_contain_text("closed by a restart")
    proxy.running()


def test_click_on_a_line_opens_the_details(page: Page, proxy: Proxy) -> None:
    send(proxy, "GET", "/line")
    row(page, "GET /line").locator(".status").click()
    expect(page.get_by_role("dialog", name="GET /line")).to_be_visible()


def test_request_is_replayed(page: Page, proxy: Proxy) -> None:
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


def test_large_request_cannot_be_replayed(page: Page, proxy: Proxy) -> None:
    send(proxy, "PUT", "/large", "x" * 20_000)
    row(page, "PUT /large").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Replay")).to_be_disabled()
    expect(dialog).to_contain_text("Body: not kept")


def test_last_failed_request_is_replayed_after_a_restart(page: Page, proxy: Proxy) -> None:
    with proxy.restart():
        proxy.save("hook.py", "500")
    send(proxy, "POST", "/status/500", "older")
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


def test_colours_of_output_continue_over_lines(page: Page, proxy: Proxy) -> None:
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


def test_output_is_followed_unless_the_user_scrolls_up(page: Page, proxy: Proxy) -> None:
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
