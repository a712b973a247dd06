"""Real Chromium over HTTPS, which trusts the proxy's CA by a certificate database of the test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from test.browser import open_page
from test.dashboard import state
from test.https import ELSEWHERE, ElsewhereProxy, HttpsProxy

FILES = [sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
SERVER = """
import http.server, sys
handler = http.server.SimpleHTTPRequestHandler
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""
PROTOCOL = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
PAGE = "<!doctype html><title>page</title><h1>version {}</h1>"


@pytest.fixture
def home(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of Chromium and of the program, whose CA is trusted there once `trust` has run."""
    folder = project.parent / "home"
    folder.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", "")
    return folder


def trust(proxy: HttpsProxy) -> None:
    """Run the command for trust that the program has printed."""
    shown = proxy.wait_output(r"--trust asks, and runs this:\n((?:    .*\n)+)")
    subprocess.run(shown[1], shell=True, check=True)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "app.localhost"])
def test_page_is_a_secure_context_and_reloads(host: str, home: Path, project: Path) -> None:
    (project / "index.html").write_text(PAGE.format(0))
    os.utime(project / "index.html", (0, 0))  # http.server compares times in whole seconds
    with HttpsProxy(project, FILES) as proxy:
        assert proxy.home == home
        proxy.running()
        trust(proxy)
        with open_page() as page:
            page.goto(f"http://{host}:{proxy.port}/")
            expect(page.locator("h1")).to_have_text("version 0")
            assert page.url == f"https://{host}:{proxy.port}/"
            assert page.evaluate("isSecureContext")
            assert page.evaluate(PROTOCOL) == "h2"
            with proxy.restart():
                proxy.save("index.html", PAGE.format(1))
            expect(page.locator("h1")).to_have_text("version 1")


def test_page_of_a_crash_reloads_after_a_save(home: Path, project: Path) -> None:
    (project / "server.py").write_text("raise SystemExit('not yet')")
    (project / "index.html").write_text(PAGE.format(0))
    with HttpsProxy(project, [sys.executable, "server.py", "{port}"]) as proxy:
        proxy.wait_state("error")
        trust(proxy)
        with open_page() as page:
            page.goto(f"https://localhost:{proxy.port}/")
            expect(page.locator("body")).to_contain_text("not yet")
            proxy.save("server.py", SERVER)
            expect(page.locator("h1")).to_have_text("version 0")


def test_chromium_without_trust_refuses_the_certificate(home: Path, project: Path) -> None:
    with HttpsProxy(project, FILES) as proxy:
        proxy.running()
        with open_page() as page, pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            page.goto(f"https://localhost:{proxy.port}/")


def test_dashboard_opens_over_https(home: Path, project: Path) -> None:
    with HttpsProxy(project, FILES) as proxy:
        proxy.running()
        trust(proxy)
        with open_page() as page:
            page.goto(f"https://localhost:{proxy.port}/_hpp/status")
            assert '"running"' in page.content()


@pytest.mark.parametrize("by", ["host", "port"])
def test_dashboard_opens_at_its_own_origin_and_restarts_the_server(
    by: str, home: Path, project: Path
) -> None:
    make = HttpsProxy if by == "host" else ElsewhereProxy
    with make(project, FILES) as proxy:
        proxy.running()
        trust(proxy)
        by_port = f"https://{ELSEWHERE}:{proxy.dashboard_port}/"
        with open_page() as page:
            page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
            page.goto(f"{proxy.url}/")
            page.evaluate("document.cookie = 'site=1'")
            page.goto(f"{proxy.url}/_hpp/")
            expect(state(page)).to_have_text("Running")
            assert page.url == (proxy.dashboard_url if by == "host" else by_port)
            assert page.evaluate("isSecureContext")
            assert page.evaluate(PROTOCOL) == "h2"
            # All ports of a host share cookies.
            assert page.evaluate("document.cookie") == ("" if by == "host" else "site=1")
            with proxy.restart():
                page.get_by_role("button", name="Restart").click()
            expect(page.locator("#restarts li").first).to_contain_text("asked for")
