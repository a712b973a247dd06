"""The script in a real browser: the overlay shows a crash, and disappears with its cause."""

import re
import sys
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import MARK, OVERLAY, Visit
from test.harness import Proxy, backend
from test.whole.client.site import code, html, served

BROKEN = """import os
def load(path):
    os.write(2, b"\\x1b[31mred\\x1b[0m <b>no tag</b> na\\xc3\\xafve\\n")
    raise ValueError("no such thing")
load("x")
"""
POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'none'; img-src data:"}


def broken(context: BrowserContext, proxy: Proxy) -> Visit:
    """A page that was loaded before its server crashed."""
    visit = Visit(context, proxy.running().url)
    with proxy.restart(to="error"):
        proxy.save("page.py", BROKEN)
    expect(visit.page.locator(OVERLAY)).to_be_visible()
    return visit


def test_overlay_shows_the_traceback_until_the_repair(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, body='<input id="text">') as proxy:
        visit = broken(context, proxy)
        overlay = visit.page.locator(OVERLAY)
        expect(overlay).to_contain_text("exited with status 1")
        expect(overlay).to_contain_text("page.py")
        expect(overlay.locator("pre")).to_contain_text("ValueError: no such thing")
        assert visit.loads == 1
        assert visit.page.title() == "first"
        proxy.save("page.py", code("second"))
        visit.reloaded("second")
        expect(overlay).to_have_count(0)
        visit.rest()
        assert visit.loads == 2


def test_next_error_replaces_the_first(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        visit = broken(context, proxy)
        with proxy.restart(to="error"):
            proxy.save("page.py", "another mistake")
        expect(visit.page.locator(OVERLAY)).to_have_count(1)
        expect(visit.page.locator("pre")).to_contain_text("SyntaxError")
        expect(visit.page.locator("pre")).not_to_contain_text("ValueError")


def test_output_is_text_with_colours(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        visit = broken(context, proxy)
        output = visit.page.locator(f"{OVERLAY} pre")
        expect(output).to_contain_text("red <b>no tag</b> naïve")
        expect(output.get_by_text("red", exact=True)).to_have_css("color", "rgb(240, 113, 123)")
        assert output.locator("b").count() == 0


def test_places_are_links_into_the_editor(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path / "a b", "--editor", "x-test://{file}#{line}:{column}") as proxy:
        visit = broken(context, proxy)
        link = visit.page.locator(f"{OVERLAY} a", has_text="line 4")
        expect(link).to_have_text(f'File "{tmp_path}/a b/page.py", line 4')
        expect(link).to_have_attribute("href", f"x-test://{tmp_path}/a%20b/page.py#4:1")


def test_error_page_of_the_proxy_has_links_too(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, "--editor", "x-test://{file}#{line}") as proxy:
        proxy.running()
        with proxy.restart(to="error"):
            proxy.save("page.py", BROKEN)
        page = Visit(context, proxy.url).page
        link = page.locator(".output a", has_text="line 4")
        expect(link).to_have_attribute("href", f"x-test://{tmp_path}/page.py#4")
        red = page.locator(".output").get_by_text("red", exact=True)
        expect(red).to_have_css("color", "rgb(240, 113, 123)")
        expect(page.locator(OVERLAY)).to_have_count(0)


def test_place_can_be_copied_without_an_editor(context: BrowserContext, tmp_path: Path) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with served(tmp_path, "--editor", "none") as proxy:
        visit = broken(context, proxy)
        place = visit.page.locator(OVERLAY).get_by_role("button", name='page.py", line 4')
        clipboard = "navigator.clipboard.readText()"
        place.click()
        assert visit.page.evaluate(clipboard) == f"{tmp_path}/page.py:4"
        visit.page.evaluate("navigator.clipboard.writeText('')")
        place.press("Enter")
        assert visit.page.evaluate(clipboard) == f"{tmp_path}/page.py:4"
        visit.page.get_by_role("button", name="Copy", exact=True).first.click()
        assert "ValueError: no such thing" in visit.page.evaluate(clipboard)


def test_place_can_be_copied_in_an_insecure_context(
    context: BrowserContext, tmp_path: Path
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    with served(tmp_path, "--editor", "none") as proxy:
        visit = broken(context, proxy)
        visit.page.evaluate(
            "window.theirs = navigator.clipboard;"
            "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
        )
        visit.page.locator(OVERLAY).get_by_role("button", name='page.py", line 4').click()
        assert visit.page.evaluate("theirs.readText()") == f"{tmp_path}/page.py:4"


def test_escape_hides_the_overlay_and_the_mark_shows_it_again(
    context: BrowserContext, tmp_path: Path
) -> None:
    heard = "<script>onkeydown = event => document.title += event.key</script>"
    with served(tmp_path, body=heard) as proxy:
        visit = broken(context, proxy)
        page, overlay, mark = visit.page, visit.page.locator(OVERLAY), visit.page.locator(MARK)
        page.keyboard.press("Escape")
        expect(overlay).to_have_count(0)
        assert page.title() == "first"
        mark.get_by_role("button").click()
        expect(overlay).to_be_visible()
        overlay.get_by_role("button", name="Hide", exact=True).click()
        expect(overlay).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page).to_have_title("firstEscape")
        with proxy.restart(to="error"):
            proxy.save("page.py", "1 / 0")
        expect(overlay).to_contain_text("ZeroDivisionError")


def test_hidden_overlay_stays_hidden_after_a_reconnect(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path) as proxy:
        visit = broken(context, proxy)
        visit.page.keyboard.press("Escape")
        hellos = visit.hellos
        for event in ("pagehide", "pageshow"):
            visit.page.evaluate(f"dispatchEvent(new PageTransitionEvent('{event}'))")
        visit.greeted_again(hellos)
        visit.rest()
        expect(visit.page.locator(OVERLAY)).to_have_count(0)
        expect(visit.page.locator(MARK)).to_be_visible()


def test_overlay_takes_no_focus_from_a_field(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body='<input id="text">') as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.focus("#text")
        proxy.save("page.py", BROKEN)
        dialog = visit.page.get_by_role("alertdialog", name="The server has ended")
        expect(dialog).to_be_visible()
        expect(visit.page.locator("#text")).to_be_focused()
        visit.page.keyboard.type("go on")
        expect(visit.page.locator("#text")).to_have_value("go on")


def test_styles_of_page_and_overlay_are_isolated(context: BrowserContext, tmp_path: Path) -> None:
    style = """<style>:not(html) { display: none !important; color: lime !important;
    opacity: 0 !important }</style>"""
    with served(tmp_path, body=style) as proxy:
        visit = broken(context, proxy)
        heading = visit.page.locator(f"{OVERLAY} h1")
        expect(heading).to_be_visible()
        assert heading.evaluate("one => getComputedStyle(one).color") != "rgb(0, 255, 0)"
        assert visit.page.locator(OVERLAY).evaluate("one => getComputedStyle(one).opacity") == "1"
        assert not visit.console


def test_overlay_lies_over_a_dialog_of_the_page(context: BrowserContext, tmp_path: Path) -> None:
    dialog = "<dialog>modal</dialog><script>document.querySelector('dialog').showModal()</script>"
    with served(tmp_path, body=dialog) as proxy:
        visit = broken(context, proxy)
        top = "document.elementFromPoint(innerWidth / 2, 100).localName"
        assert visit.page.evaluate(top) in ("http-process-proxy", "dialog")
        visit.page.keyboard.press("Escape")
        expect(visit.page.locator(OVERLAY)).to_have_count(0)
        expect(visit.page.get_by_text("modal")).to_be_visible()


def test_overlay_keeps_its_style_under_a_strict_policy(
    context: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "page.py").write_text(f"{code('first')}HEADERS = {POLICY!r}\n")
    with Proxy(tmp_path, backend("page_site.py")) as proxy:
        visit = broken(context, proxy)
        panel = visit.page.locator(f"{OVERLAY} section")
        expect(panel).to_have_css("display", "flex")
        expect(panel).to_have_css("border-radius", "12px")
        red = visit.page.locator(f"{OVERLAY} pre").get_by_text("red", exact=True)
        expect(red).to_have_css("color", "rgb(240, 113, 123)")
        assert not visit.console


def test_only_the_outermost_page_shows_the_overlay(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body='<iframe src="/frame"></iframe>', frame=html("in")) as proxy:
        visit = broken(context, proxy)
        visit.rest()
        inside = visit.page.frame_locator("iframe")
        expect(inside.locator("h1")).to_have_text("in")
        expect(inside.locator(OVERLAY)).to_have_count(0)


def test_error_page_has_no_overlay(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        proxy.running()
        with proxy.restart(to="error"):
            proxy.save("page.py", BROKEN)
        visit = Visit(context, proxy.url)
        expect(visit.page).to_have_title(re.compile("503"))
        visit.rest()
        expect(visit.page.locator(OVERLAY)).to_have_count(0)
        proxy.save("page.py", code("second"))
        visit.reloaded("second")


def test_browser_console_shows_the_output_with_the_option(
    context: BrowserContext, tmp_path: Path
) -> None:
    say = "import sys; print('\\x1b[32mgreen\\x1b[0m stdout'); print('stderr', file=sys.stderr)\n"
    command = [sys.executable, "-u", *backend("page_site.py")[1:]]
    (tmp_path / "page.py").write_text(say + code("first"))
    with Proxy(tmp_path, command, "--browser-console") as proxy:
        visit = Visit(context, proxy.running().url)
        visit.until(lambda: any("stderr" in line for line in visit.console))
        assert any("green" in line and "\x1b" not in line for line in visit.console)
        visit.page.evaluate("fetch('/is-logged').then(() => {})")
        visit.until(lambda: any("/is-logged" in line for line in visit.console))


def test_browser_console_is_silent_without_the_option(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path) as proxy:
        visit = broken(context, proxy)
        assert not visit.console
