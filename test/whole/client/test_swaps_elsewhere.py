"""The script in a real browser: style sheets and images in unusual places of a page."""

import base64
import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import Visit
from test.whole.client.swaps import GREEN, RED, assert_same, save, site, svg, used

FLASHES = """window.seen = new Set(); (function look() {
  seen.add(getComputedStyle(document.querySelector('h1')).color); requestAnimationFrame(look);
})();"""


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="stylesheet" href="/static/outer.css">',
        "<style>@import '/static/outer.css';</style>",
    ],
    ids=["link", "style"],
)
def test_sheet_two_imports_deep_is_swapped_without_a_flash(
    context: BrowserContext, tmp_path: Path, head: str
) -> None:
    with site(
        tmp_path,
        head,
        outer_css="@import 'middle.css'; p { color: blue }",
        middle_css="@import 'inner.css'; p { color: red }",
        inner_css=f"h1 {{ color: {RED} }}",
    ) as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        visit.page.evaluate(FLASHES)
        for colour in (GREEN, RED, GREEN):
            save(proxy, "inner.css", f"h1 {{ color: {colour} }}")
            expect(visit.page.locator("h1")).to_have_css("color", colour)
        visit.page.wait_for_function("seen.size > 1")
        assert set(visit.page.evaluate("[...seen]")) == {RED, GREEN}
        assert_same(visit)


SHEET = f"h1 {{ color: {RED} }}"
DIGEST = base64.b64encode(hashlib.sha256(SHEET.encode()).digest()).decode()
OTHER = '<link rel="stylesheet" href="/static/other.css">'
FETCHED = """<script>fetch('/static/site.css').then(answer => answer.text()).then(text => {
  const sheet = new CSSStyleSheet(); sheet.replaceSync(text); document.adoptedStyleSheets = [sheet];
})</script>"""
MODULE = """<script type="module">import sheet from '/static/site.css' with {type: 'css'};
document.adoptedStyleSheets = [sheet]</script>"""
PRELOADED = """<link rel="preload" as="style" href="/static/site.css"
onload="fetch(this.href).then(a => a.text()).then(text => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: text})) })">"""


@pytest.mark.parametrize(
    "body",
    [FETCHED, MODULE, PRELOADED],
    ids=["fetched and constructed", "module", "preloaded"],
)
def test_sheet_that_the_page_names_nowhere_reloads_it(
    context: BrowserContext, tmp_path: Path, body: str
) -> None:
    with site(tmp_path, OTHER + body, site_css=SHEET, other_css="p {}") as proxy:
        visit = Visit(context, proxy.running().url)
        expect(visit.page.locator("h1")).to_have_css("color", RED)
        save(proxy, "site.css", f"h1 {{ color: {GREEN} }}")
        expect(visit.page.locator("h1")).to_have_css("color", GREEN)


def test_sheet_with_a_digest_reloads_the_page(context: BrowserContext, tmp_path: Path) -> None:
    link = f'<link rel="stylesheet" href="/static/site.css" integrity="sha256-{DIGEST}">'
    with site(tmp_path, link, site_css=SHEET) as proxy:
        visit = Visit(context, proxy.running().url)
        expect(visit.page.locator("h1")).to_have_css("color", RED)
        save(proxy, "site.css", f"h1 {{ color: {GREEN} }}")
        visit.until(lambda: visit.loads == 2)


def test_disabled_sheet_is_new_once_it_is_enabled(context: BrowserContext, tmp_path: Path) -> None:
    link = '<link id="site" rel="stylesheet" href="/static/site.css" disabled>'
    with site(tmp_path, link, site_css=SHEET) as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        save(proxy, "site.css", f"h1 {{ color: {GREEN} }}")
        visit.page.wait_for_function("document.querySelector('#site').href.includes('hpp=')")
        visit.page.evaluate("document.querySelector('#site').disabled = false")
        expect(visit.page.locator("h1")).to_have_css("color", GREEN)
        assert_same(visit)


@pytest.mark.parametrize("within", ["link", "style"])
def test_sheets_of_an_open_shadow_root_are_swapped(
    context: BrowserContext, tmp_path: Path, within: str
) -> None:
    sheet = {
        "link": "<link rel=stylesheet href=/static/site.css>",
        "style": '<style>@import "/static/site.css";</style>',
    }[within]
    body = f"""<div id="host"></div><script>document.querySelector('#host')
    .attachShadow({{mode: 'open'}}).innerHTML = `{sheet}<h2>x</h2>`</script>"""
    with site(tmp_path, OTHER + body, site_css=f"h2 {{ color: {RED} }}", other_css="") as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        save(proxy, "site.css", f"h2 {{ color: {GREEN} }}")
        expect(visit.page.locator("h2")).to_have_css("color", GREEN)
        assert_same(visit)


@pytest.mark.parametrize(
    "sources",
    [
        "/static/aa.svg 100x,/static/a.svg 1x",
        "/static/aa.svg 100x\n,\n/static/a.svg  1x",
        "/static/a.svg, /static/aa.svg 100x",
    ],
)
def test_image_of_a_srcset_is_swapped_with_any_spacing(
    context: BrowserContext, tmp_path: Path, sources: str
) -> None:
    body = f'<img id="image" srcset="{sources}">'
    with site(tmp_path, body, a_svg=svg(10), aa_svg=svg(500)) as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        save(proxy, "a.svg", svg(30))
        visit.page.wait_for_function("document.querySelector('#image').naturalWidth === 30")
        assert "/static/aa.svg 100x" in visit.page.evaluate(
            "document.querySelector('#image').srcset"
        )
        assert_same(visit)


def test_image_that_a_script_draws_reloads_the_page(
    context: BrowserContext, tmp_path: Path
) -> None:
    body = """<script>const image = new Image(); image.src = '/static/a.svg';
    image.onload = () => { document.title = image.naturalWidth }</script>"""
    with site(tmp_path, body, a_svg=svg(10)) as proxy:
        visit = Visit(context, proxy.running().url)
        expect(visit.page).to_have_title("10")
        save(proxy, "a.svg", svg(30))
        expect(visit.page).to_have_title("30")
