"""The dashboard's origin: scripts of the site's pages cannot reach it in any way."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from test.dashboard import opened, state
from test.harness import Proxy, backend

OPEN = """url => { window.other = window.open(url); }"""
NAVIGATE = """url => { window.other = window.open('/first'); other.onload = () => {
  other.location = url; }; }"""
REACHED = """() => { try { return other.document.documentElement.outerHTML; }
  catch (error) { return String(error); } }"""
REGISTER = """async () => {
  await navigator.serviceWorker.register('/worker.js');
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) await new Promise(done =>
    navigator.serviceWorker.addEventListener('controllerchange', done, {once: true}));
}"""
SEEN = """() => new Promise(done => {
  const channel = new MessageChannel();
  channel.port1.onmessage = event => done(event.data);
  navigator.serviceWorker.controller.postMessage('', [channel.port2]);
})"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("spying"), backend("spying.py")) as proxy:
        yield proxy.running()


@pytest.fixture
def site(browser: BrowserContext, proxy: Proxy) -> Iterator[Page]:
    """A page of the site, at a host that allows service workers."""
    page = browser.new_page()
    page.goto(f"http://localhost:{proxy.port}/")
    yield page
    page.close()


def token(proxy: Proxy) -> str:
    with proxy.connect() as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: hpp.localhost:%d\r\n\r\n" % proxy.port)
        page = wire.response().body
    found = re.search(rb'hpp-token" content="([^"]+)"', page)
    assert found is not None
    return found[1].decode()


@pytest.mark.parametrize("way", [OPEN, NAVIGATE], ids=["opened", "navigated"])
@pytest.mark.parametrize("by", ["path", "host", "port"])
def test_page_that_opens_the_dashboard_cannot_access_it(
    browser: BrowserContext, site: Page, proxy: Proxy, way: str, by: str
) -> None:
    url = {
        "path": "/_hpp/",
        "host": proxy.dashboard_url,
        "port": f"http://localhost:{proxy.dashboard_port}/",
    }[by]
    with browser.expect_page() as opening:
        site.evaluate(way, url)
    expect(state(opening.value)).to_have_text("Running")
    assert token(proxy) not in site.evaluate(REACHED)
    opening.value.close()


def test_service_worker_of_the_site_does_not_intercept_the_dashboard(
    browser: BrowserContext, site: Page, proxy: Proxy
) -> None:
    site.evaluate(REGISTER)
    by_path = browser.new_page()
    by_path.goto(f"http://localhost:{proxy.port}/_hpp/")
    expect(state(by_path)).to_have_text("Running")
    page = opened(browser, proxy)
    seen = site.evaluate(SEEN)
    assert token(proxy) not in seen
    assert "x-hpp-token" not in seen.lower()
    by_path.close()
    page.close()


def test_dashboard_origin_never_reaches_the_backend(proxy: Proxy) -> None:
    for target in (b"/worker.js", b"/first", b"/_hpp/client.js"):
        with proxy.connect() as wire:
            wire.send(b"GET %b HTTP/1.1\r\nHost: hpp.localhost:1\r\n\r\n" % target)
            assert wire.response().status == 404


def test_untrusted_client_gets_403_from_the_dashboard(proxy: Proxy) -> None:
    with proxy.connect() as wire:
        wire.send(
            b"GET / HTTP/1.1\r\nHost: hpp.localhost:1\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
        )
        response = wire.response()
    assert response.status == 403
    assert b"hpp-token" not in response.body
