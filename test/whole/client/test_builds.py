"""The script in a real browser: a mark for a build (`--before`), and the overlay if it fails."""

import re
import shlex
import sys
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import MARK, OVERLAY, Visit
from test.whole.client.site import code, served


def test_page_shows_a_build_and_its_failure_until_the_next_success(
    context: BrowserContext, tmp_path: Path
) -> None:
    project, go = tmp_path / "project", tmp_path / "go"
    go.touch()
    check = f'while [ ! -e {go} ]; do sleep 0.01; done; {sys.executable} -c "import page"'
    options = ("--before", f"sh -c {shlex.quote(check)}", "--editor", "x-test:{file}#{line}")
    with served(project, *options) as proxy:
        visit = Visit(context, proxy.running().url)
        overlay, mark = visit.page.locator(OVERLAY), visit.page.locator(MARK)
        visit.rest()
        expect(mark).to_have_count(0)
        go.unlink()
        proxy.save("page.py", "PAGES = {\n")
        expect(mark).to_contain_text("Building")
        expect(overlay).to_have_count(0)
        go.touch()
        expect(overlay).to_contain_text("The build has failed")
        expect(overlay).to_contain_text("It ended with exit status 1. The last change: page.py.")
        expect(overlay).to_contain_text("Generation 1 goes on serving.")
        expect(overlay.locator("pre")).to_contain_text("SyntaxError")
        place = overlay.locator("pre a").first
        expect(place).to_have_attribute("href", re.compile(f"x-test:{project}/page.py#1"))
        expect(mark).to_have_count(0)
        visit.page.keyboard.press("Escape")
        expect(overlay).to_have_count(0)
        visit.page.reload()  # of the old code: the failure stays hidden
        expect(mark).to_contain_text("The build has failed")
        expect(overlay).to_have_count(0)
        mark.get_by_role("button").click()
        expect(overlay).to_contain_text("The build has failed")
        # A page that is loaded now hears of the failure, too.
        other = Visit(context, proxy.url)
        expect(other.page.locator(OVERLAY)).to_contain_text("The build has failed")
        assert other.page.title() == "first"
        go.unlink()
        proxy.save("page.py", code("second"))
        expect(overlay.get_by_role("heading")).to_have_text(re.compile("Building ?"))
        assert visit.loads == 2
        go.touch()
        visit.reloaded("second")
        expect(overlay).to_have_count(0)
        visit.rest()
        assert visit.loads == 3


def test_page_of_the_proxy_shows_the_failure_of_the_first_build(
    context: BrowserContext, tmp_path: Path
) -> None:
    proxy = served(tmp_path, "--before", f"{sys.executable} -c 'import page'")
    (tmp_path / "page.py").write_text("first mistake")
    with proxy:
        proxy.wait_state("error")
        page = context.new_page()
        page.goto(proxy.url)
        expect(page.locator("h1")).to_have_text("The build has failed")
        expect(page.locator("pre")).to_contain_text("first mistake")
        proxy.save("page.py", "second mistake")
        expect(page.locator("pre")).to_contain_text("second mistake")
        proxy.save("page.py", code("third"))
        expect(page).to_have_title("third")
