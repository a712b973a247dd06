"""The browser's cache: after a save, a page uses no copy that is older than the save."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import Visit
from test.whole.client.answers import Answer, answering, write
from test.whole.client.site import html

MAX_AGE = {"Cache-Control": "max-age=600"}
RED, GREEN = "rgb(255, 0, 0)", "rgb(0, 128, 0)"
HAS_RUN = "Symbol.for('http-process-proxy') in window"


@pytest.mark.parametrize("fields", [{}, MAX_AGE], ids=["heuristics", "max-age"])
@pytest.mark.parametrize("options", [(), ("--refresh", "*.js")], ids=["restart", "refresh"])
def test_saved_script_runs_after_reload(
    context: BrowserContext, tmp_path: Path, fields: dict[str, str], options: tuple[str, ...]
) -> None:
    page = html("page", "<script src=/app.js></script><script>document.title = V</script>")
    answers: dict[str, Answer] = {
        "/": (200, {"Content-Type": "text/html"}, page),
        "/app.js": (None, fields, ""),
    }
    write(tmp_path / "app.js", "V = 'first'")
    with answering(tmp_path, answers, *options) as proxy:
        visit = Visit(context, proxy.running().url)
        expect(visit.page).to_have_title("first")
        write(tmp_path / "app.js", "V = 'second'")
        visit.reloaded("second")


def test_swapped_style_sheet_stays_after_reload_by_hand(
    context: BrowserContext, tmp_path: Path
) -> None:
    page = html("page", '<link rel="stylesheet" href="/site.css">')
    answers: dict[str, Answer] = {
        "/": (200, {"Content-Type": "text/html"}, page),
        "/site.css": (None, MAX_AGE, ""),
    }
    write(tmp_path / "site.css", f"h1 {{ color: {RED} }}")
    with answering(tmp_path, answers, "--refresh", "*.css") as proxy:
        visit = Visit(context, proxy.running().url)
        heading = visit.page.locator("h1")
        expect(heading).to_have_css("color", RED)
        with visit.page.expect_response(lambda response: response.url.endswith("/site.css")):
            write(tmp_path / "site.css", f"h1 {{ color: {GREEN} }}")
        expect(heading).to_have_css("color", GREEN)
        visit.page.reload()
        expect(heading).to_have_css("color", GREEN)


def test_page_that_a_link_takes_from_the_cache_is_reloaded_when_stale(
    context: BrowserContext, tmp_path: Path
) -> None:
    first = html("first", '<a id="there" href="/other.html">there</a>')
    answers: dict[str, Answer] = {
        "/": (200, {"Content-Type": "text/html"}, first),
        "/other.html": (None, MAX_AGE, ""),
    }
    write(tmp_path / "other.html", html("old", '<a id="back" href="/">back</a>'))
    with answering(tmp_path, answers) as proxy:
        visit = Visit(context, f"{proxy.running().url}/other.html")
        hellos = visit.hellos
        visit.page.click("#back")
        visit.greeted_again(hellos)
        loads, hellos = visit.loads, visit.hellos
        write(tmp_path / "other.html", html("new"))
        visit.until(lambda: visit.loads > loads and visit.hellos > hellos)
        visit.page.click("#there")
        expect(visit.page).to_have_title("new")


def test_second_save_of_the_same_second_is_shown(context: BrowserContext, tmp_path: Path) -> None:
    """The file's time does not change, and is never old enough compared with a response's Date."""
    changed = time.time() + 600
    write(tmp_path / "index.html", html("first"), changed=changed)
    with answering(tmp_path, {"/": (None, {"Cache-Control": "no-cache"}, "")}) as proxy:
        visit = Visit(context, proxy.running().url)
        write(tmp_path / "index.html", html("second"), changed=changed)
        visit.reloaded("second")


def test_page_cached_without_the_script_is_sent_whole(
    context: BrowserContext, tmp_path: Path
) -> None:
    write(tmp_path / "index.html", html("page"))
    with answering(tmp_path, {"/": (None, {"Cache-Control": "no-cache"}, "")}) as proxy:
        plain = proxy.running().get("/")
        modified = dict(plain.headers)[b"Last-Modified"].decode()
        known = proxy.get("/", Accept="text/html", If_Modified_Since=modified)
        assert known.status == 200
        assert b"/_hpp/client.js" in known.body
        tag = dict(known.headers)[b"ETag"].decode()
        again = proxy.get("/", Accept="text/html", If_None_Match=tag, If_Modified_Since=modified)
        assert again.status == 304
        data = proxy.get("/", If_Modified_Since=modified)
        assert data.status == 304
        page = context.new_page()
        for _ in range(2):
            page.goto(proxy.url)
            assert page.evaluate(HAS_RUN)
