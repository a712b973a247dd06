"""--starting-page: the page that is sent while the server starts, and its replacement."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from test.browser import open_browser
from test.building import building, held
from test.harness import Proxy, backend

# Files that control the backend must not restart it.
OPTIONS = ("--starting-page", "0.1", "--pattern", "*.py")
DOCUMENT = {"Sec_Fetch_Dest": "document", "Accept": "text/html,*/*;q=0.8"}
HEAD = b"""GET / HTTP/1.1\r
Host: localhost\r
Sec-Fetch-Dest: document\r
Accept: text/html,*/*;q=0.8\r
\r
"""


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    with open_browser() as context:
        yield context


def test_starting_page_shows_the_output_and_becomes_the_page(
    context: BrowserContext, project: Path
) -> None:
    with Proxy(project, backend("builds.py"), *OPTIONS) as proxy:
        page = context.new_page()
        response = page.goto(f"{proxy.url}/what?you=asked")
        assert response is not None
        assert response.status == 503
        assert response.headers["retry-after"]
        expect(page.locator(".status")).to_contain_text("Starting for")
        output = page.locator(".output pre")
        expect(output).to_have_text("building <b>")
        expect(output.locator("span").first).to_have_css("color", "rgb(152, 195, 121)")
        (project / "print more").touch()
        expect(output).to_contain_text("print more")
        (project / "go").touch()
        expect(page).to_have_title("/what?you=asked")
        assert page.url == f"{proxy.url}/what?you=asked"
        page.close()


def test_starting_page_becomes_the_crash_page(context: BrowserContext, project: Path) -> None:
    command = ["sh", "-c", "until test -e go; do sleep 0.01; done; echo no table >&2; exit 3"]
    with Proxy(project, command, *OPTIONS) as proxy:
        page = context.new_page()
        page.goto(proxy.url)
        expect(page.get_by_role("heading")).to_have_text("The server is starting")
        (project / "go").touch()
        expect(page.get_by_role("heading")).to_have_text("The server has ended")
        expect(page.locator("pre")).to_contain_text("no table")
        page.close()


@pytest.mark.parametrize("inject", [(), ("--no-inject",)])
def test_document_gets_the_starting_page_and_data_waits(
    project: Path, inject: tuple[str, ...]
) -> None:
    with Proxy(project, backend("builds.py"), *OPTIONS, *inject) as proxy, proxy.connect() as wire:
        wire.send(b"GET /data HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
        page = proxy.get("/", **DOCUMENT)
        assert page.status == 503
        assert b'data-hpp-page="live"' in page.body
        assert b"builds.py" not in page.body, "only trusted clients may see the command"
        (project / "go").touch()
        assert b"served" in wire.response().body
        assert b"served" in proxy.get("/", **DOCUMENT).body


def test_starting_page_off_holds_every_request(project: Path) -> None:
    with building(project) as proxy, proxy.connect() as wire:
        assert held(proxy, wire, HEAD).status == 200
