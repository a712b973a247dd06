"""The dashboard in a browser: the program with a server, the opened page, and its elements."""

import http.client
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from test.deadline import PATIENCE_S
from test.harness import Proxy, backend

SHOP = backend("shop.py")


def started(project: Path, *options: str) -> Proxy:
    (project / "hook.py").write_text("200")
    return Proxy(project, SHOP, *options)


def opened(browser: BrowserContext, proxy: Proxy) -> Page:
    """Open the page and wait until it is connected. An uncaught error in it fails the test."""
    page = browser.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    page.goto(proxy.dashboard_url)
    expect(state(page)).to_have_text("Running")
    return page


def state(page: Page) -> Locator:
    return page.get_by_role("status").get_by_role("heading", level=1)


def send(
    proxy: Proxy, method: str, target: str, body: str = "", **fields: str
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)
    connection.request(method, target, body or None, dict(fields))
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def row(page: Page, name: str) -> Locator:
    """The newest line of the table with this request."""
    button = page.get_by_role("button", name=name, exact=True)
    return page.locator("#requests tr").filter(has=button).first


def printed(proxy: Proxy, *lines: str) -> None:
    assert send(proxy, "POST", "/print", "\n".join(lines)).status == 200
