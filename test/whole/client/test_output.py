"""The script in a real browser: output as a terminal shows it, with places as links."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from test.browser import OVERLAY, Visit
from test.core.page.screens import CASES
from test.whole.client.site import served

# A line of output, and its places that become links: "FILE#LINE:COLUMN".
PLACES = {
    "main.go:12: undefined": ["main.go#12:1"],
    "./cmd/a.go:3:7: no": ["cmd/a.go#3:7"],
    "    at f (/srv/x.js:1:2)": ["/srv/x.js#1:2"],
    "    at f (/srv/my app/x.js:1:2)": ["/srv/my%20app/x.js#1:2"],
    "    at async /srv/my app/x.js:1:2": ["/srv/my%20app/x.js#1:2"],
    "    at f (file:///srv/my%20app/x.mjs:1:2)": ["/srv/my%20app/x.mjs#1:2"],
    "/srv/my app/x.js:7": ["/srv/my%20app/x.js#7:1"],
    "/srv/y.rb:9:in": ["/srv/y.rb#9:1"],
    "\t/srv/my app/main.go:12 +0x1d": ["/srv/my%20app/main.go#12:1"],
    "/api/users failed in /srv/z.py:3": ["/srv/z.py#3:1"],
    " --> src/main.rs:5:9": ["src/main.rs#5:9"],
    "file:///srv/z.mjs:3": ["/srv/z.mjs#3:1"],
    "PHP Parse error: no in /srv/b.php on line 3": ["/srv/b.php#3:1"],
    "PHP Parse error: no in /srv/my app/b.php on line 3": ["/srv/my%20app/b.php#3:1"],
    "PHP Fatal error: Uncaught Error in /srv/my app/b.php:3": ["/srv/my%20app/b.php#3:1"],
    "  thrown in /srv/b.php:3": ["/srv/b.php#3:1"],
    "   at Shop.Main() in /srv/my app/b.cs:line 3": ["/srv/my%20app/b.cs#3:1"],
    "a.ts(3,5): error TS2304: no": ["a.ts#3:5"],
    "[web] src/a.ts(3,5): error TS2304: no": ["src/a.ts#3:5"],
    "ERROR in src/a.tsx(3,5): no": ["src/a.tsx#3:5"],
    "/srv/my app/B.cs(3,5): error CS1002": ["/srv/my%20app/B.cs#3:5"],
    "main.zig:3:5: error: no": ["main.zig#3:5"],
    "src/main.zig:3:5: error: no": ["src/main.zig#3:5"],
    "no such thing at /srv/a.pl line 3.": ["/srv/a.pl#3:1"],
    '  File \x1b[35m"/srv/a.py"\x1b[0m, line \x1b[35m3\x1b[0m, in f': ["/srv/a.py#3:1"],
    "Error at src/a.js:3:7": ["src/a.js#3:7"],
    "panic: src/main.go:12": ["src/main.go#12:1"],
    "failed ./cmd/a.go:3:7": ["cmd/a.go#3:7"],
    "my app/main.py:12: error: no": [],  # ambiguous: this file or app/main.py
    "./my app/main.go:12:5: undefined": [],
    "../my app/main.go:12:5: undefined": [],
    "error: /srv/my app/x.js:7 failed": [],
    "error: /srv/in app/x.js:7 failed": [],
    "my app/a.ts(3,5): error TS2304: no": [],
    " --> my src/main.rs:5:9": [],
    "    at f (my app/x.js:1:2)": [],
    "my main.go:12: undefined": [],
    '\x1b[35m"not.py"': [],
    "example.com:80": [],
    "127.0.0.1:8001": [],
    "http://localhost:8000/a.js:1": [],
    "[21/Nov/2026:10:11:12]": [],
    "<frozen x>:3": [],
    "call f(3,5): it is no file": [],
}


def test_places_of_many_languages_are_links(context: BrowserContext, tmp_path: Path) -> None:
    with served(tmp_path, "--editor", "x-test:{file}#{line}:{column}") as proxy:
        visit = Visit(context, proxy.running().url)
        output = "\n".join(PLACES)
        proxy.save("page.py", f"import sys; print({output!r}); sys.exit(3)")
        expect(visit.page.locator(OVERLAY)).to_contain_text("status 3")
        found = visit.page.locator(f"{OVERLAY} a").evaluate_all("all => all.map(one => one.href)")
        named = [link for links in PLACES.values() for link in links]
        absolute = [link if link[0] == "/" else f"{tmp_path}/{link}" for link in named]
        assert found == [f"x-test:{link}" for link in absolute]


def test_output_that_overwrites_itself_is_shown_in_its_final_form(
    context: BrowserContext, tmp_path: Path
) -> None:
    """The overlay and `core/page/screen.py` pass the same table of cases."""
    with served(tmp_path) as proxy:
        visit = Visit(context, proxy.running().url)
        for output, text in CASES:
            printed = f"{output}\x1b[H|end|"  # on a separate line below
            with proxy.restart(to="error"):
                proxy.save("page.py", f"import sys; sys.stdout.write({printed!r}); sys.exit(3)")
            pre = visit.page.locator(f"{OVERLAY} pre")
            shown = text if text.endswith("\n") else f"{text}\n"
            expect(pre).to_have_js_property("textContent", f"{shown}|end|")


def test_inverse_video_swaps_foreground_and_background(
    context: BrowserContext, tmp_path: Path
) -> None:
    with served(tmp_path) as proxy:
        visit = Visit(context, proxy.running().url)
        proxy.save("page.py", "raise SystemExit('\x1b[7m12\x1b[0m \x1b[7;31mred\x1b[0m')")
        output = visit.page.locator(f"{OVERLAY} pre")
        expect(output.get_by_text("12")).to_have_css("background-color", "rgb(213, 218, 225)")
        expect(output.get_by_text("red")).to_have_css("background-color", "rgb(240, 113, 123)")
