"""The script in a real browser: style sheets and images are swapped without a reload."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import Visit
from test.whole.client.site import code, html
from test.whole.client.swaps import GREEN, RED, assert_same, save, site, svg, used


def test_style_sheet_is_swapped(context: BrowserContext, tmp_path: Path) -> None:
    link = '<link rel="stylesheet" href="/static/site.css?v=1" media="all">'
    with site(tmp_path, link, site_css=f"h1 {{ color: {RED} }}") as proxy:
        visit = Visit(context, proxy.running().url)
        heading = visit.page.locator("h1")
        expect(heading).to_have_css("color", RED)
        used(visit)
        for colour in (GREEN, RED, GREEN):
            save(proxy, "site.css", f"h1 {{ color: {colour} }}")
            expect(heading).to_have_css("color", colour)
            expect(visit.page.locator("link[rel=stylesheet]")).to_have_count(1)
        assert_same(visit)


def test_swap_never_flashes(context: BrowserContext, tmp_path: Path) -> None:
    """No animation frame shows the page without its style."""
    link = '<link rel="stylesheet" href="/static/site.css">'
    watch = """window.seen = new Set(); (function look() {
      seen.add(getComputedStyle(document.querySelector('h1')).color); requestAnimationFrame(look);
    })();"""
    with site(tmp_path, link, site_css=f"h1 {{ color: {RED} }}") as proxy:
        visit = Visit(context, proxy.running().url)
        visit.page.evaluate(watch)
        save(proxy, "site.css", f"h1 {{ color: {GREEN} }}")
        expect(visit.page.locator("h1")).to_have_css("color", GREEN)
        visit.page.wait_for_function("seen.size > 1")
        assert set(visit.page.evaluate("[...seen]")) == {RED, GREEN}


def test_imported_style_sheet_is_swapped(context: BrowserContext, tmp_path: Path) -> None:
    link = '<link rel="stylesheet" href="/static/site.css">'
    with site(
        tmp_path,
        link,
        site_css='@import url("inner.css") screen; p { color: blue }',
        inner_css=f"h1 {{ color: {RED} }}",
    ) as proxy:
        visit = Visit(context, proxy.running().url)
        heading = visit.page.locator("h1")
        used(visit)
        for colour in (GREEN, RED):
            save(proxy, "inner.css", f"h1 {{ color: {colour} }}")
            expect(heading).to_have_css("color", colour)
        assert_same(visit)


def test_source_of_a_built_style_sheet_swaps_those_that_changed(
    context: BrowserContext, tmp_path: Path
) -> None:
    """The page does not name the source, so all style sheets are reloaded."""
    link = '<link rel="stylesheet" href="/node_modules/site.css">'
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "site.css").write_text(f"h1 {{ color: {RED} }}")
    with site(tmp_path, link, source_css="") as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        # Excluded by default, like the output of a build that is not watched.
        (tmp_path / "node_modules" / "site.css").write_text(f"h1 {{ color: {GREEN} }}")
        save(proxy, "source.css", " ")
        expect(visit.page.locator("h1")).to_have_css("color", GREEN)
        assert_same(visit)


def test_source_that_changes_no_style_sheet_of_the_page_reloads_it(
    context: BrowserContext, tmp_path: Path
) -> None:
    """A template may have put its text into the page."""
    link = '<link rel="stylesheet" href="/static/site.css">'
    with site(tmp_path, link, site_css=f"h1 {{ color: {RED} }}", included_css="") as proxy:
        visit = Visit(context, proxy.running().url)
        save(proxy, "included.css", "p {}")
        visit.until(lambda: visit.loads == 2)


def test_style_sheet_that_cannot_be_loaded_leaves_the_old_one(
    context: BrowserContext, tmp_path: Path
) -> None:
    link = '<link rel="stylesheet" href="/static/site.css">'
    with site(tmp_path, link, site_css=f"h1 {{ color: {RED} }}") as proxy:
        visit = Visit(context, proxy.running().url)
        with visit.page.expect_response("**/site.css?hpp=*"):
            (tmp_path / "static" / "site.css").unlink()
        visit.rest()
        expect(visit.page.locator("h1")).to_have_css("color", RED)
        expect(visit.page.locator("link[rel=stylesheet]")).to_have_count(1)


def test_images_are_swapped(context: BrowserContext, tmp_path: Path) -> None:
    body = """<style>#css { background: url("/static/a.svg"); width: 9px }</style>
    <div id="css"></div><div id="inline" style="background-image: url(/static/a.svg)"></div>
    <img id="src" src="/static/a.svg"><img id="other" src="/static/b.svg">
    <picture><source srcset="/static/a.svg 1x, /static/c.svg 2x"><img id="set"></picture>"""
    with site(tmp_path, body, a_svg=svg(10), b_svg=svg(20)) as proxy:
        visit = Visit(context, proxy.running().url)
        page = visit.page
        used(visit)
        save(proxy, "a.svg", svg(30))
        for image in ("#src", "#set"):
            page.wait_for_function(f"document.querySelector('{image}').naturalWidth === 30")
        assert page.evaluate("document.querySelector('#other').src").endswith("/b.svg")
        for element in ("#css", "#inline"):
            style = f"getComputedStyle(document.querySelector('{element}')).backgroundImage"
            page.wait_for_function(f"/a[.]svg[?]hpp=/.test({style})")
        assert page.evaluate("document.querySelector('source').srcset").endswith("/static/c.svg 2x")
        assert_same(visit)


def test_image_that_the_page_does_not_show_changes_nothing(
    context: BrowserContext, tmp_path: Path
) -> None:
    with site(tmp_path, "", a_png="") as proxy:
        visit = Visit(context, proxy.running().url)
        used(visit)
        save(proxy, "a.png", "changed")
        assert_same(visit)


def test_other_file_reloads_the_page(context: BrowserContext, tmp_path: Path) -> None:
    with site(tmp_path, '<p id="made"></p><script src="/static/a.js"></script>', a_js="") as proxy:
        visit = Visit(context, proxy.running().url)
        save(proxy, "a.js", "document.querySelector('#made').textContent = 'by a script'")
        expect(visit.page.locator("#made")).to_have_text("by a script")
        visit.rest()
        assert visit.loads == 2
        assert proxy.status()["generation"] == 1


def test_style_inlined_by_the_page_reloads_it(context: BrowserContext, tmp_path: Path) -> None:
    with site(tmp_path, "", inlined_css="") as proxy:
        visit = Visit(context, proxy.running().url)
        save(proxy, "inlined.css", "p {}")
        visit.until(lambda: visit.loads == 2)


def test_page_cached_before_a_refresh_shows_the_new_style(
    context: BrowserContext, tmp_path: Path
) -> None:
    """A page from the back/forward cache would show the old style."""
    link = '<link rel="stylesheet" href="/static/site.css">'
    with site(tmp_path, link, site_css=f"h1 {{ color: {RED} }}") as proxy:
        proxy.running()
        with proxy.restart():
            proxy.save("page.py", code("first", link, other=html("other")))
        visit = Visit(context, proxy.url)
        hellos = visit.hellos
        visit.page.goto(f"{proxy.url}/other")
        visit.greeted_again(hellos)
        save(proxy, "site.css", f"h1 {{ color: {GREEN} }}")
        visit.rest()
        visit.page.go_back()
        expect(visit.page.locator("h1")).to_have_css("color", GREEN)
