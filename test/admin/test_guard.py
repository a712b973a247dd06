"""Access to the admin pages: tabs, programs and the page with the token; all others get 403."""

from pathlib import Path

import pytest

from httpprocessproxy.admin.guard import TOKEN_FIELD
from test.admin.pages import SCRIPT, TAB, open_site, token
from test.admin.sockets import OWN, run

SECRETS = ["/_hpp/requests", "/_hpp/requests/1"]
CHANGES = ["/_hpp/restart", "/_hpp/requests/1/replay", "/_hpp/replay-failed?on=true"]
BROWSERS = [
    SCRIPT,
    TAB,
    {"Origin": OWN},
    {"Referer": f"{OWN}/page"},
    {"Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("target", SECRETS + CHANGES)
@pytest.mark.parametrize("browser", BROWSERS)
def test_page_without_the_token_gets_403(
    tmp_path: Path, target: str, browser: dict[str, str]
) -> None:
    async def main() -> None:
        method = "POST" if target in CHANGES else "GET"
        async with open_site(tmp_path) as (program, client):
            for wrong in ({}, {TOKEN_FIELD: ""}, {TOKEN_FIELD: "x"}, {TOKEN_FIELD: "\xe9"}):
                headers = {**browser, **wrong}
                async with client.request(method, target, headers=headers) as response:
                    assert response.status == 403
                    assert TOKEN_FIELD in (await response.json())["detail"]
            assert program.restarted_by == []
            assert not program.replays.after_restarts

    run(main())


@pytest.mark.parametrize("target", SECRETS + CHANGES)
@pytest.mark.parametrize("browser", BROWSERS)
def test_page_with_token_is_allowed(tmp_path: Path, target: str, browser: dict[str, str]) -> None:
    async def main() -> None:
        method = "POST" if target in CHANGES else "GET"
        async with open_site(tmp_path) as (_, client):
            headers = {**browser, **await token(client)}
            async with client.request(method, target, headers=headers) as response:
                assert response.status in (200, 202, 404)

    run(main())


@pytest.mark.parametrize("target", SECRETS + CHANGES)
def test_program_needs_no_token(tmp_path: Path, target: str) -> None:
    async def main() -> None:
        method = "POST" if target in CHANGES else "GET"
        async with (
            open_site(tmp_path) as (_, client),
            client.request(method, target) as response,
        ):
            assert response.status in (200, 202, 404)

    run(main())


@pytest.mark.parametrize("target", CHANGES)
@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://localhost:9", "%%%"])
def test_other_origin_with_the_token_gets_403(tmp_path: Path, target: str, origin: str) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (program, client):
            headers = {"Origin": origin, **await token(client)}
            async with client.post(target, headers=headers) as response:
                assert response.status == 403
            assert program.restarted_by == []

    run(main())


def test_token_differs_in_each_run(tmp_path: Path) -> None:
    async def main() -> None:
        seen = set()
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            async with open_site(tmp_path / name) as (_, client):
                seen.add((await token(client))[TOKEN_FIELD])
        assert len(seen) == 2
        assert all(len(each) > 20 for each in seen)

    run(main())


@pytest.mark.parametrize("target", SECRETS + CHANGES)
@pytest.mark.parametrize("browser", BROWSERS)
def test_token_is_invalid_on_the_origin_of_the_site(
    tmp_path: Path, target: str, browser: dict[str, str]
) -> None:
    async def main() -> None:
        method = "POST" if target in CHANGES else "GET"
        async with open_site(tmp_path, is_dashboard=False) as (program, client):
            headers = {**browser, TOKEN_FIELD: program.context.token}
            async with client.request(method, target, headers=headers) as response:
                assert response.status == 403

    run(main())


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize("target", ["/", "/_hpp/dashboard.js", "/_hpp/status"])
def test_fetch_of_another_origin_gets_403_from_the_dashboard(
    tmp_path: Path, site: str, target: str
) -> None:
    async def main() -> None:
        async with open_site(tmp_path) as (_, client):
            headers = {**SCRIPT, **await token(client), "Sec-Fetch-Site": site}
            async with client.get(target, headers=headers) as response:
                assert response.status == 403

    run(main())
