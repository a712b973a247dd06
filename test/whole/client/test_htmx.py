"""The script in a real browser with htmx 2 and 4: fields that send a request on a change."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Dialog, expect

from test.browser import Visit
from test.harness import Proxy
from test.whole.client.frameworks import HTMX_2, HTMX_4, scripts, served_with
from test.whole.client.site import code

# Each field has another trigger: the default one, one by name, one with a delay, one of a form.
FIELDS = """
<input type="checkbox" name="box" hx-swap="none" hx-post="/box" hx-confirm="Send it?">
<select name="list" hx-swap="none" hx-post="/list" hx-trigger="change"><option>a<option>b</select>
<input name="text" hx-swap="none" hx-post="/text" hx-trigger="input changed delay:100ms">
<form hx-swap="none" hx-post="/form" hx-trigger="change">
<input type="radio" name="size" value="l"></form>"""
RESTORED_MS = 2500  # `RESTORE_MS` of the script, and the delay of a trigger
PLACES = ("box", "list", "text", "form")


def posts(proxy: Proxy) -> list[int]:
    """The number of requests of each field in the backend's own log."""
    return [proxy.output.count(f'"POST /{place} ') for place in PLACES]


@pytest.mark.parametrize("version", [HTMX_2, HTMX_4], ids=["htmx-2", "htmx-4"])
def test_fields_are_restored_without_a_request(
    context: BrowserContext, tmp_path: Path, version: tuple[str, ...]
) -> None:
    body = scripts(version, "") + FIELDS
    answers = dict.fromkeys(PLACES, "")
    page = code("first", body, **answers)
    with served_with(tmp_path, version, "--pattern", "page.py", page=page) as proxy:
        visit = Visit(context, proxy.running().url)
        asked: list[str] = []

        def accept(dialog: Dialog) -> None:
            asked.append(dialog.message)
            dialog.accept()

        visit.page.on("dialog", accept)
        visit.page.locator("[name=box]").check()
        visit.page.locator("[name=list]").select_option("b")
        visit.page.locator("[name=size]").check()
        visit.page.locator("[name=text]").press_sequentially("Smith", delay=0)
        visit.until(lambda: min(posts(proxy)) > 0)
        visit.rest()
        before = posts(proxy)
        proxy.save("page.py", code("second", body, **answers))
        visit.reloaded("second")
        expect(visit.page.locator("[name=box]")).to_be_checked()
        expect(visit.page.locator("[name=list]")).to_have_value("b")
        expect(visit.page.locator("[name=size]")).to_be_checked()
        expect(visit.page.locator("[name=text]")).to_have_value("Smith")
        visit.page.wait_for_timeout(RESTORED_MS)
        assert posts(proxy) == before
        assert len(asked) == 1
        visit.page.locator("[name=list]").select_option("a")
        visit.page.locator("[name=text]").press_sequentially("s")
        visit.page.locator("[name=box]").uncheck()
        visit.until(lambda: sum(posts(proxy)) >= sum(before) + 3)
        box, chosen, text, form = before
        assert posts(proxy) == [box + 1, chosen + 1, text + 1, form]
