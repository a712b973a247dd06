"""The page after a submitted form: only the user may submit the form again."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import MARK, Visit
from test.harness import Proxy
from test.whole.client.site import code, served

FORM = '<form method="post"><input name="what" value="pay"><button id="send">Send</button></form>'


def posts(proxy: Proxy) -> int:
    """The number of POSTs in the backend's own log."""
    return proxy.output.count('"POST / HTTP/1.1"')


def sent(context: BrowserContext, proxy: Proxy) -> Visit:
    """The page that the submitted form returns."""
    visit = Visit(context, proxy.running().url)
    hellos = visit.hellos
    visit.page.click("#send")
    visit.greeted_again(hellos)
    visit.until(lambda: posts(proxy) == 1)
    return visit


def test_save_does_not_submit_the_form_again(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body=FORM) as proxy:
        visit = sent(context, proxy)
        proxy.save("page.py", code("second", FORM))
        offer = visit.page.locator(MARK).get_by_role("button")
        expect(offer).to_have_text("Reload, and send the form again")
        visit.rest()
        assert posts(proxy) == 1
        expect(visit.page).to_have_title("first")


def test_user_may_submit_the_form_again(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, body=FORM) as proxy:
        visit = sent(context, proxy)
        proxy.save("page.py", code("second", FORM))
        hellos = visit.hellos
        visit.page.locator(MARK).get_by_role("button").click()
        visit.greeted_again(hellos)
        expect(visit.page).to_have_title("second")
        expect(visit.page.locator(MARK)).to_have_count(0)
        assert posts(proxy) == 2


def test_refresh_does_not_submit_the_form_again(context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "template.txt").write_text("")
    with served(tmp_path, "--refresh", "*.txt", body=FORM) as proxy:
        visit = sent(context, proxy)
        (tmp_path / "template.txt").write_text("changed")
        expect(visit.page.locator(MARK)).to_contain_text("send the form again")
        visit.rest()
        assert posts(proxy) == 1
