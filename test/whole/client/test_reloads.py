"""The script in a real browser: it reloads when another generation runs, and only then."""

import signal
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from test.browser import CONNECTED, MARK, Visit
from test.harness import Proxy
from test.ports import free_port
from test.whole.client.site import PAGES, code, html, served

FORM = """<input id="text"><textarea name="area"></textarea>
<input type="checkbox" name="box"><select name="choice"><option>a<option>b<option>c</select>
<input type="password" name="password"><input type="hidden" id="hidden" value="old">
<input name="card" autocomplete="cc-number">
<div style="height: 5000px"></div>"""


def requests(proxy: Proxy, target: str = "/") -> int:
    """The number of requests for a page in the backend's own log."""
    return proxy.output.count(f'"GET {target} HTTP/1.1"')


def test_save_shows_the_new_text(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        visit = Visit(context, proxy.running().url)
        for title in ("second", "third"):
            proxy.save("page.py", code(title), by="rename")
            visit.reloaded(title)
        assert visit.loads == 3
        assert not visit.console


@pytest.mark.parametrize(
    "policy",
    [
        "default-src 'none'",
        "default-src 'self'",
        "script-src 'nonce-abc' 'strict-dynamic'; connect-src 'none'",
        "script-src 'none', default-src 'self'; connect-src https://api.example",
    ],
)
def test_save_reloads_a_page_under_a_policy(
    context: BrowserContext, tmp_path: Path, policy: str
) -> None:
    headers = f"HEADERS = { ({'Content-Security-Policy': policy})!r}\n"
    (tmp_path / "page.py").write_text(code("first") + headers)
    with Proxy(tmp_path, PAGES) as proxy:
        visit = Visit(context, proxy.running().url)
        proxy.save("page.py", code("second") + headers)
        visit.reloaded("second")


def test_typed_text_and_scroll_position_are_restored(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, body=FORM) as proxy:
        visit = Visit(context, proxy.running().url)
        page = visit.page
        page.fill("#text", "typed")
        page.fill("textarea", "two\nlines")
        page.check("[name=box]")
        page.select_option("select", "c")
        page.fill("[name=password]", "secret")
        page.fill("[name=card]", "4111")
        page.evaluate("document.querySelector('#hidden').value = 'changed'; scrollTo(0, 1234)")
        page.focus("textarea", timeout=1000)
        page.evaluate("scrollTo(0, 1234)")
        proxy.save("page.py", code("second", FORM))
        visit.reloaded("second")
        page.wait_for_function("scrollY === 1234")
        assert page.input_value("#text") == "typed"
        assert page.input_value("textarea") == "two\nlines"
        assert page.is_checked("[name=box]")
        assert page.input_value("select") == "c"
        assert page.input_value("[name=password]") == ""
        assert page.input_value("[name=card]") == ""
        assert page.evaluate("document.querySelector('#hidden').value") == "old"
        assert page.evaluate("document.activeElement.localName") == "textarea"
        assert "typed" not in page.evaluate("JSON.stringify({...sessionStorage})")


def test_untouched_field_gets_the_servers_value(context: BrowserContext, tmp_path: Path) -> None:
    old, new = '<input id="text" value="old">', '<input id="text" value="new">'
    with served(tmp_path, body=old) as proxy:
        visit = Visit(context, proxy.running().url)
        proxy.save("page.py", code("second", new))
        visit.reloaded("second")
        assert visit.page.input_value("#text") == "new"


def test_secrets_are_never_stored(context: BrowserContext, tmp_path: Path) -> None:
    copy = (
        "addEventListener('pagehide', () => sessionStorage.copy = JSON.stringify(sessionStorage))"
    )
    body = f"{FORM}<script>{copy}</script>"
    with served(tmp_path, body=body) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.fill("#text", "typed")
        visit.page.fill("[name=password]", "secret")
        visit.page.fill("[name=card]", "4111")
        proxy.save("page.py", code("second", body))
        visit.reloaded("second")
        stored = visit.page.evaluate("sessionStorage.copy")
        assert "typed" in stored
        assert "secret" not in stored
        assert "4111" not in stored


def test_all_tabs_reload_including_hidden_ones(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        tabs = [Visit(context, proxy.running().url) for _ in range(3)]
        proxy.save("page.py", code("second"))
        for tab in tabs:
            expect(tab.page).to_have_title("second")
        tabs[0].rest()
        assert [tab.loads for tab in tabs] == [2, 2, 2]


def test_frame_reloads_with_the_page_around_it(context: BrowserContext, tmp_path: Path) -> None:
    frame = '<iframe src="/frame"></iframe>'
    with served(tmp_path, body=frame, frame=html("in", FORM)) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.until(lambda: visit.hellos == 2)
        inside = visit.page.frame_locator("iframe")
        inside.locator("#text").fill("typed")
        proxy.save("page.py", code("second", frame, frame=html("changed", FORM)))
        expect(inside.locator("h1")).to_have_text("changed")
        visit.until(lambda: visit.hellos == 4)
        expect(inside.locator("#text")).to_have_value("typed")
        visit.rest()
        assert (visit.loads, requests(proxy), requests(proxy, "/frame")) == (2, 2, 2)


def test_frame_in_a_page_of_another_server_reloads_by_itself(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path / "a") as proxy, served(tmp_path / "b") as other:
        proxy.running()
        other.running()
        with other.restart():
            other.save("page.py", code("around", f'<iframe src="{proxy.url}"></iframe>'))
        visit = Visit(context, other.url)
        visit.until(lambda: visit.hellos == 2)
        proxy.save("page.py", code("second"))
        inside = visit.page.frame_locator("iframe")
        expect(inside.locator("h1")).to_have_text("second")
        assert visit.loads == 1


def test_page_saved_between_its_load_and_its_websocket_is_stale(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path) as proxy:
        proxy.running()
        page = context.new_page()
        # The script arrives late, as on a slow network.
        scripts: list[Route] = []
        page.route("**/_hpp/client.js", lambda route: scripts.append(route))
        page.goto(proxy.url, wait_until="commit")
        while not scripts:
            page.wait_for_timeout(10)
        with proxy.restart():
            proxy.save("page.py", code("second"))
        page.unroute_all(behavior="default")
        scripts[0].fallback()
        expect(page).to_have_title("second")


def test_reconnect_alone_reloads_nothing(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        visit = Visit(context, proxy.running().url)
        for _ in range(3):
            hellos = visit.hellos
            proxy.process.send_signal(signal.SIGSTOP)
            context.set_offline(True)
            visit.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
            context.set_offline(False)
            proxy.process.send_signal(signal.SIGCONT)
            visit.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow'))")
            visit.greeted_again(hellos)
        visit.rest()
        assert visit.loads == 1


def test_new_run_of_the_proxy_reloads_once(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path) as proxy:
        visit = Visit(context, proxy.running().url)
        proxy.stop()
        (tmp_path / "page.py").write_text(code("second"))
        again = Proxy(tmp_path, PAGES)
        again.arguments[3] = proxy.arguments[3]  # BIND
        again.port = proxy.port
        with again:
            visit.reloaded("second")
            visit.rest()
            assert visit.loads == 2


def test_page_from_the_back_forward_cache_is_reloaded(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path, other=html("other")) as proxy:
        visit = Visit(context, proxy.running().url)
        hellos = visit.hellos
        visit.page.goto(f"{proxy.url}/other")
        visit.until(lambda: visit.hellos > hellos)
        proxy.save("page.py", code("second", other=html("other, too")))
        expect(visit.page).to_have_title("other, too")
        visit.page.go_back()
        expect(visit.page).to_have_title("second")


def test_page_with_livereload_is_reloaded_once(context: BrowserContext, tmp_path: Path) -> None:
    """The extension puts this script into pages."""
    port = free_port()
    script = (
        f'<script src="http://127.0.0.1:{port}/livereload.js?ext=Chrome&extver=2.1.0"></script>'
    )
    with served(tmp_path, "--livereload-port", str(port), body=script) as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.wait_for_selector(CONNECTED)
        proxy.save("page.py", code("second", script))
        visit.reloaded("second")
        visit.page.wait_for_timeout(1500)  # the script gives livereload.js a second to act
        assert (visit.loads, requests(proxy)) == (2, 2)


def test_page_with_the_livereload_of_another_server_is_reloaded(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path) as proxy:
        script = "<script>window.LiveReload = {connector: {protocol: 7}}</script>"
        proxy.running()
        with proxy.restart():
            proxy.save("page.py", code("first", script))
        visit = Visit(context, proxy.running().url)
        proxy.save("page.py", code("second", script))
        visit.reloaded("second")


def test_mark_shows_a_restart_that_takes_a_while(context: BrowserContext, tmp_path: Path) -> None:
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    with served(tmp_path, "--pattern", "*.py") as proxy:
        visit = Visit(context, proxy.running().url)
        proxy.save("page.py", wait + code("second"))
        expect(visit.page.locator(MARK)).to_contain_text("Restarting")
        proxy.save("go", "")
        visit.reloaded("second")
        expect(visit.page.locator(MARK)).to_have_count(0)


def test_script_leaves_no_names_and_no_elements_in_the_page(
    context: BrowserContext, tmp_path: Path
) -> None:
    tags = '<script src="/_hpp/client.js"></script>' * 2
    names = "JSON.stringify([Object.keys(window), document.documentElement.children.length])"
    with served(tmp_path, body=tags) as proxy:
        visit = Visit(context, proxy.running().url)
        bare = context.new_page()
        bare.route("**/_hpp/client.js", lambda route: route.abort())
        bare.goto(proxy.url)
        assert visit.page.evaluate(names) == bare.evaluate(names)
        visit.rest()
        assert visit.hellos == 1


def test_reload_loop_is_slowed_down(context: BrowserContext, tmp_path: Path) -> None:
    """An error page that came through another proxy has the state of another server."""
    text = html("lost").replace(
        "<!doctype html>",
        '<!doctype html><html data-hpp-page data-state="error" data-generation="77">',
    )
    with served(tmp_path) as proxy:
        proxy.running()
        proxy.save("page.py", f"PAGES = { ({'/': text})!r}\n")
        proxy.wait_state("running", after=1)
        visit = Visit(context, proxy.url)
        visit.page.wait_for_timeout(2500)
        assert 5 < visit.loads <= 12
