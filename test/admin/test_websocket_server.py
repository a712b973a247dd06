"""Plain responses of the WebSocket servers: the script, revalidated by its entity tag."""

import asyncio
import http.client

import pytest

from httpprocessproxy.admin.assets import client_js
from httpprocessproxy.admin.endpoints import Admin
from test.admin.sockets import opened, run


async def ask(admin: Admin, method: str, target: str, *fields: str) -> tuple[str, bytes]:
    """Send a request to a target's socket; return the response's head, in lower case, and body."""
    path = admin.socket_for(target.encode(), True)
    assert path
    reader, writer = await asyncio.open_unix_connection(path)
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost:8001", *fields, "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().lower(), body


def test_script_is_served_with_its_fields() -> None:
    async def main() -> None:
        async with opened() as admin:
            head, body = await ask(admin, "GET", "/_hpp/client.js?x=1")
        assert head.startswith("http/1.1 200 ok\r\n")
        assert body == client_js().body
        for field in (
            "content-type: text/javascript; charset=utf-8",
            f"content-length: {len(body)}",
            "cache-control: no-cache",
            "x-content-type-options: nosniff",
            "cross-origin-resource-policy: same-origin",
            f"etag: {client_js().etag}",
        ):
            assert head.count(field) == 1

    run(main())


def test_head_is_get_without_the_body() -> None:
    async def main() -> None:
        async with opened() as admin:
            head, body = await ask(admin, "HEAD", "/_hpp/client.js")
        assert f"content-length: {len(client_js().body)}" in head
        assert body == b""

    run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", ["{}", '"other", {}', "W/{}", "*"])
def test_known_script_gets_304(method: str, known: str) -> None:
    async def main() -> None:
        async with opened() as admin:
            field = f"If-None-Match: {known.format(client_js().etag)}"
            head, body = await ask(admin, method, "/_hpp/client.js", field)
        assert head.startswith("http/1.1 304 ")
        assert f"etag: {client_js().etag}" in head
        assert "\r\ncontent-" not in head
        assert body == b""

    run(main())


def test_other_version_of_the_script_gets_200() -> None:
    async def main() -> None:
        async with opened() as admin:
            head, _ = await ask(admin, "GET", "/_hpp/client.js", 'If-None-Match: "other"')
        assert head.startswith("http/1.1 200 ")

    run(main())


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/_hpp/client.js", http.client.METHOD_NOT_ALLOWED),
        ("GET", "/_hpp/events", http.client.UPGRADE_REQUIRED),
    ],
)
def test_invalid_request_is_refused(method: str, target: str, status: int) -> None:
    async def main() -> None:
        async with opened() as admin:
            head, _ = await ask(admin, method, target)
        assert head.startswith(f"http/1.1 {status:d} ")

    run(main())
