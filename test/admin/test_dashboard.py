"""The dashboard as served: only for a tab, with a strict Content-Security-Policy."""

import re
from pathlib import Path

import pytest

from httpprocessproxy.admin.assets import Script, dashboard_css, dashboard_js
from test.admin.pages import SCRIPT, TAB, open_site
from test.admin.sockets import run

FRAME = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@pytest.mark.parametrize("headers", [TAB, {}])
def test_tab_gets_the_page(tmp_path: Path, headers: dict[str, str]) -> None:
    async def main() -> None:
        nonces = set()
        async with open_site(tmp_path) as (_, client):
            for _ in range(2):
                async with client.get("/_hpp/", headers=headers) as response:
                    assert response.status == 200
                    assert response.headers["Cache-Control"] == "no-store"
                    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                    policy = response.headers["Content-Security-Policy"]
                    html = await response.text()
                assert "default-src 'none'; script-src 'nonce-" in policy
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                found = set(re.findall(r"nonce-?=?\"?([\w-]{20,})", policy + html))
                assert len(found) == 1
                nonces |= found
                assert "{" not in html
                assert not re.search(
                    r"(?:src|href)=\"(?!/_hpp/|http://localhost:8001/\"|data:,)", html
                )
        assert len(nonces) == 2

    run(main())


@pytest.mark.parametrize("headers", [SCRIPT, FRAME])
def test_script_or_frame_gets_403(tmp_path: Path, headers: dict[str, str]) -> None:
    async def main() -> None:
        async with (
            open_site(tmp_path) as (_, client),
            client.get("/_hpp/", headers=headers) as response,
        ):
            assert response.status == 403
            text = await response.text()
            assert "hpp-token" not in text

    run(main())


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [("css", "text/css", dashboard_css()), ("js", "text/javascript", dashboard_js())],
)
def test_files_of_the_dashboard(tmp_path: Path, name: str, kind: str, content: Script) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            target = f"/_hpp/dashboard.{name}"
            async with client.get(target) as response:
                assert response.headers["Content-Type"] == f"{kind}; charset=utf-8"
                etag = response.headers["ETag"]
                body = await response.read()
            assert body == content.body
            async with client.get(target, headers={"If-None-Match": etag}) as response:
                assert response.status == 304
                assert await response.read() == b""

    run(main())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost:8001", "http://hpp.localhost:8001/"),
        ("192.168.1.5:8001", "http://192.168.1.5:8002/"),
    ],
)
def test_path_on_the_origin_of_the_site_redirects_to_the_dashboard(
    tmp_path: Path, host: str, url: str
) -> None:
    async def main() -> None:
        async with (
            open_site(tmp_path, is_dashboard=False) as (_, client),
            client.get("/_hpp/", headers={**TAB, "Host": host}, allow_redirects=False) as response,
        ):
            assert response.status == 302
            assert response.headers["Location"] == url
            assert "hpp-token" not in await response.text()

    run(main())
