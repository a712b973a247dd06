"""The admin pages, through their unix socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from httpprocessproxy.admin.assets import livereload_js
from httpprocessproxy.admin.site import serving
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.events import EventBus, members
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog
from httpprocessproxy.system.listeners import listen_on_unix
from test.admin.sockets import OWN, context, run
from test.messages import status

STATUS = replace(status("running", 3), pid=42)


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser on the site's origin."""
    path = folder / "site"
    rule = HostRule((), "localhost")
    bus = EventBus()
    replays = Replayer(RequestLog(bus), lambda record: record)
    made = context(STATUS, bus)
    async with serving(listen_on_unix(path), rule, made, replays, is_dashboard=False):
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession(OWN, connector=connector) as session:
            yield session


def test_status_is_json(tmp_path: Path) -> None:
    async def main() -> None:
        async with browser(tmp_path) as session, session.get("/_hpp/status") as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            assert await response.json() == {**members(STATUS), "services": {"web": "running"}}

    run(main())


def test_livereload_script_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        target = "/_hpp/livereload.js?port=8001&path=_hpp/livereload"
        async with browser(tmp_path) as session, session.get(target) as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/javascript; charset=utf-8"
            assert await response.read() == livereload_js().body

    run(main())


@pytest.mark.parametrize("target", ["/_hpp/none", "/_hpp/livereload.js/", "/_hpp/../x", "/", "/x"])
def test_unknown_path_gets_404(tmp_path: Path, target: str) -> None:
    async def main() -> None:
        headers = {"Accept": "application/json"}
        async with (
            browser(tmp_path) as session,
            session.get(target, headers=headers) as response,
        ):
            assert response.status == 404
            assert json.loads(await response.read())["title"] == "Not Found"

    run(main())


@pytest.mark.parametrize("target", ["/_hpp/status", "/_hpp/livereload.js", "/_hpp/none"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_every_response_has_the_security_fields(tmp_path: Path, target: str, method: str) -> None:
    async def main() -> None:
        headers = {"Origin": "http://evil.example"}
        async with (
            browser(tmp_path) as session,
            session.request(method, target, headers=headers) as response,
        ):
            is_file = response.status == 200 and target.endswith(".js")
            assert response.headers["Cache-Control"] == ("no-cache" if is_file else "no-store")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert response.headers["Server"] == "http-process-proxy"
            assert not [name for name in response.headers if name.startswith("Access-Control")]

    run(main())


@pytest.mark.parametrize(
    ("fetch_site", "fetch_mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 403),
        ("same-origin", "no-cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
    ],
)
@pytest.mark.parametrize("target", ["/_hpp/status", "/_hpp/livereload.js"])
def test_embedding_by_another_site_gets_403(
    tmp_path: Path, target: str, fetch_site: str, fetch_mode: str, status: int
) -> None:
    async def main() -> None:
        headers = {"Sec-Fetch-Site": fetch_site, "Sec-Fetch-Mode": fetch_mode}
        async with (
            browser(tmp_path) as session,
            session.get(target, headers=headers) as response,
        ):
            assert response.status == status

    run(main())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 405),
        (OWN, 403),  # without the token
        ("null", 403),
        ("http://evil.example", 403),
        ("http://localhost:9", 403),
        ("%%%", 403),
    ],
)
def test_post_of_another_site_gets_403(tmp_path: Path, origin: str | None, status: int) -> None:
    async def main() -> None:
        headers = {"Origin": origin} if origin else {}
        async with (
            browser(tmp_path) as session,
            session.post("/_hpp/status", headers=headers, data=b"x") as response,
        ):
            assert response.status == status
            assert ("Allow" in response.headers) == (status == 405)

    run(main())


def test_browser_with_many_cookies_is_served(tmp_path: Path) -> None:
    async def main() -> None:
        headers = {"Cookie": "a=" + "x" * 30_000}
        async with (
            browser(tmp_path) as session,
            session.get("/_hpp/status", headers=headers) as response,
        ):
            assert response.status == 200

    run(main())


def test_garbage_is_refused_and_the_site_still_answers(tmp_path: Path) -> None:
    async def main() -> None:
        async with browser(tmp_path) as session:
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "site"))
            writer.write(b"\0\xff nonsense\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.")
            writer.close()
            await writer.wait_closed()
            async with session.get("/_hpp/status") as response:
                assert response.status == 200

    run(main())
