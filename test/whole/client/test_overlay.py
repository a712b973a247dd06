"""The overlay in a real browser: the user can click it in every state of the page."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from test.browser import MARK, OVERLAY, Visit
from test.harness import Proxy
from test.whole.client.site import served

CRASH = "raise SystemExit('ended on purpose')"
MODAL = (
    "<dialog>modal<input id=text></dialog>"
    "<script>document.querySelector('dialog').showModal()</script>"
)
IN_SHADOW = (
    "<div id=host></div><script>host.attachShadow({mode: 'open'}).innerHTML ="
    " '<dialog>modal<input></dialog>'; host.shadowRoot.querySelector('dialog').showModal()</script>"
)


def crashed(proxy: Proxy, page: Page) -> None:
    with proxy.restart(to="error"):
        proxy.save("page.py", CRASH)
    expect(page.locator(OVERLAY)).to_be_visible()


def hide(page: Page) -> None:
    """Hide the overlay by a click of the mouse, which an inert element does not receive."""
    box = page.locator(OVERLAY).get_by_label("Hide", exact=True).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(OVERLAY)).to_have_count(0)


@pytest.mark.parametrize(
    "body",
    [
        MODAL,
        IN_SHADOW,
        MODAL + "<script>document.body.inert = true</script>",
        "<script>document.documentElement.inert = true</script>",
        "<script>document.body.inert = true</script>",
    ],
    ids=["dialog", "dialog in a shadow root", "inert dialog", "inert page", "inert body"],
)
def test_overlay_can_be_clicked_on_an_inert_page(
    context: BrowserContext, tmp_path: Path, body: str
) -> None:
    with served(tmp_path, body=body) as proxy:
        page = Visit(context, proxy.running().url).page
        crashed(proxy, page)
        hide(page)


def test_mark_can_be_clicked_above_a_modal_dialog(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body=MODAL) as proxy:
        page = Visit(context, proxy.running().url).page
        crashed(proxy, page)
        hide(page)
        page.locator(MARK).get_by_role("button").click()
        expect(page.locator(OVERLAY)).to_be_visible()


def test_overlay_can_be_clicked_above_an_element_in_full_screen(
    context: BrowserContext, tmp_path: Path
) -> None:
    body = "<div id=full><button onclick='full.requestFullscreen()'>full</button></div>"
    with served(tmp_path, body=body) as proxy:
        page = Visit(context, proxy.running().url).page
        page.click("#full button")
        page.wait_for_function("document.fullscreenElement")
        crashed(proxy, page)
        hide(page)


def test_overlay_follows_a_dialog_that_is_opened_and_closed_later(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, body="<dialog>modal</dialog>") as proxy:
        page = Visit(context, proxy.running().url).page
        crashed(proxy, page)
        page.evaluate("document.querySelector('dialog').showModal()")
        expect(page.locator(f"dialog > {OVERLAY}")).to_be_visible()
        page.evaluate("document.querySelector('dialog').close()")
        expect(page.locator(f"html > {OVERLAY}")).to_be_visible()
        page.evaluate("document.querySelector('dialog').showModal()")
        expect(page.locator(f"dialog > {OVERLAY}")).to_be_visible()
        page.evaluate("document.querySelector('dialog').remove()")
        expect(page.locator(f"html > {OVERLAY}")).to_be_visible()
        hide(page)


def test_overlay_takes_no_focus_from_a_field_of_a_modal_dialog(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, body=MODAL) as proxy:
        page = Visit(context, proxy.running().url).page
        page.focus("#text")
        crashed(proxy, page)
        page.keyboard.type("go on")
        expect(page.locator("#text")).to_have_value("go on")


def test_overlay_is_left_to_right_on_a_right_to_left_page(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, body="<script>document.documentElement.dir = 'rtl'</script>") as proxy:
        page = Visit(context, proxy.running().url).page
        crashed(proxy, page)
        expect(page.locator(f"{OVERLAY} pre")).to_have_css("direction", "ltr")


def test_overlay_has_20_tab_stops_at_most(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, "--editor", "x-test:{file}#{line}") as proxy:
        page = Visit(context, proxy.running().url).page
        with proxy.restart(to="error"):
            proxy.save(
                "page.py", "for n in range(99): print(f'main.go:{n}: no')\nraise SystemExit(3)"
            )
        links = page.locator(f"{OVERLAY} a")
        expect(links).to_have_count(99)
        stops = page.locator(f"{OVERLAY} :is(a, button, [tabindex]):not([tabindex='-1'])")
        assert stops.count() <= 20
        expect(links.last).not_to_have_attribute("tabindex", "-1")
