"""Plain answers at the doors: the page's script, fresh at each load and yet not sent again."""

import asyncio
import http.client

import pytest

from httpprocessproxy.admin import Admin
from httpprocessproxy.admin.assets import client_js
from test.admin.sockets import opened, run


async def ask(control: Admin, method: str, target: str, *fields: str) -> tuple[str, bytes]:
    """Ask the door of a target, and return the answer's head, in lower case, and its body."""
    path = control.socket_for(target.encode(), True)
    assert path
    reader, writer = await asyncio.open_unix_connection(path)
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost:8001", *fields, "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode().lower(), body


def test_the_script() -> None:
    async def main() -> None:
        async with opened() as control:
            head, body = await ask(control, "GET", "/_hpp/client.js?x=1")
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
        async with opened() as control:
            head, body = await ask(control, "HEAD", "/_hpp/client.js")
        assert f"content-length: {len(client_js().body)}" in head
        assert body == b""

    run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("known", ["{}", '"other", {}', "W/{}", "*"])
def test_a_known_script_is_not_sent_again(method: str, known: str) -> None:
    async def main() -> None:
        async with opened() as control:
            field = f"If-None-Match: {known.format(client_js().etag)}"
            head, body = await ask(control, method, "/_hpp/client.js", field)
        assert head.startswith("http/1.1 304 ")
        assert f"etag: {client_js().etag}" in head
        assert "\r\ncontent-" not in head
        assert body == b""

    run(main())


def test_another_version_is_sent() -> None:
    async def main() -> None:
        async with opened() as control:
            head, _ = await ask(control, "GET", "/_hpp/client.js", 'If-None-Match: "other"')
        assert head.startswith("http/1.1 200 ")

    run(main())


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/_hpp/client.js", http.client.METHOD_NOT_ALLOWED),
        ("GET", "/_hpp/events", http.client.UPGRADE_REQUIRED),
    ],
)
def test_what_is_refused(method: str, target: str, status: int) -> None:
    async def main() -> None:
        async with opened() as control:
            head, _ = await ask(control, method, target)
        assert head.startswith(f"http/1.1 {status:d} ")

    run(main())
