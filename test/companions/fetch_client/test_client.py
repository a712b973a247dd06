"""The client against real servers on loopback and a fake name server."""

import asyncio
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp.abc import ResolveResult

from httpprocessproxy.companions.fetch_client import (
    FetchOrigin,
    OriginGuard,
    Outgoing,
    Refused,
    SiteAddress,
    Timeouts,
)
from test.companions.fetch_client.servers import Names, Server
from test.deadline import MS
from test.loops import run


async def fetched(outgoing: Outgoing, url: str, fields: dict[str, str] | None = None) -> str:
    async with outgoing.get(url, fields) as response:
        assert response.status == 200, response
        return await response.text()


def test_url_of_an_allowed_origin_is_fetched() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            assert await fetched(outgoing, f"{server.origin}/a%2Fb?c=%20#d") == "GET /a%2Fb?c=%20"
            fields = server.requests[0].headers
            assert "Cookie" not in fields
            assert fields["User-Agent"] == "http-process-proxy"

    run(main())


def test_url_of_another_origin_is_refused_without_a_request() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([])) as outgoing:
            for url in (f"{server.origin}/", f"http://localhost:{server.port}/", "/path"):
                with pytest.raises(Refused):
                    await fetched(outgoing, url)
            assert not server.requests

    run(main())


def test_public_name_that_resolves_to_loopback_is_refused() -> None:
    async def main() -> None:
        async with Server().serving() as server:
            allowed = FetchOrigin("http", "public.example", server.port)
            names = Names({"public.example": [["127.0.0.1"]]})
            async with Outgoing(OriginGuard([allowed]), resolve=names.resolve) as outgoing:
                with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
                    await fetched(outgoing, f"{allowed}/")
            assert not server.requests

    run(main())


def test_address_is_checked_on_each_resolution_of_a_name() -> None:
    """The first address is permitted but refuses connections; the second is not permitted."""

    async def main() -> None:
        async with Server().serving() as server:
            allowed = FetchOrigin("http", "public.example", server.port)
            good = FetchOrigin("http", "127.0.0.2", server.port)
            names = Names({"public.example": [["127.0.0.2"], ["127.0.0.1"]]})
            guard = OriginGuard([allowed, good])
            async with Outgoing(guard, resolve=names.resolve) as outgoing:
                with pytest.raises(aiohttp.ClientConnectorError):
                    await fetched(outgoing, f"{allowed}/")
                with pytest.raises(Refused, match=r"leads to 127\.0\.0\.1"):
                    await fetched(outgoing, f"{allowed}/")
            assert names.asked == ["public.example"] * 2
            assert not server.requests

    run(main())


def test_client_connects_to_the_checked_address_without_a_second_lookup() -> None:
    """The name server would return another address to a second query."""

    async def main() -> None:
        async with Server().serving() as server:
            allowed = FetchOrigin("http", "public.example", server.port)
            names = Names({"public.example": [["127.0.0.1"], ["169.254.169.254"]]})
            async with Outgoing(
                OriginGuard([allowed, server.origin]), resolve=names.resolve
            ) as outgoing:
                assert await fetched(outgoing, f"{allowed}/x") == "GET /x"
            assert names.asked == ["public.example"]
            assert server.requests[0].headers["Host"] == allowed.authority

    run(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            server.status = status
            assert await fetched(outgoing, f"{server.origin}/to?/to?/x") == "GET /x"

    run(main())


BEYOND = [
    *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:{port}/"),
    *("http://2130706433:{port}/", "http://127.1:{port}/", "//localhost:{port}/", "file:///x"),
    *("http://user:pass@127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "http://127.0.0.1:1/"),
    *("gopher://127.0.0.1:{port}/", "http://["),
]


@pytest.mark.parametrize("location", BEYOND)
def test_redirect_to_another_origin_is_refused(location: str) -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            to = location.format(port=server.port)
            with pytest.raises(Refused, match=r"^redirected: "):
                await fetched(outgoing, f"{server.origin}/to?{to}")
            assert len(server.requests) == 1

    run(main())


def test_sixth_redirect_is_refused() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            assert await fetched(outgoing, f"{server.origin}{'/to?' * 5}/x") == "GET /x"
            with pytest.raises(Refused, match="more than 5 redirects"):
                await fetched(outgoing, f"{server.origin}{'/to?' * 6}/x")

    run(main())


def test_redirects_in_a_circle_are_refused() -> None:
    async def main() -> None:
        async with Circle().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            with pytest.raises(Refused, match="in a circle"):
                await fetched(outgoing, f"{server.origin}/")
            assert len(server.requests) == 2

    run(main())


class Circle(Server):
    async def answer(self, request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        self.requests.append(request)
        to = "/" if request.path == "/again" else "/again"
        return aiohttp.web.Response(status=302, headers={"Location": to})


def test_fields_are_not_sent_after_a_redirect_to_another_origin() -> None:
    async def main() -> None:
        async with Server().serving() as one, Server().serving() as two:
            async with Outgoing(OriginGuard([one.origin, two.origin])) as outgoing:
                fields = {"Authorization": "secret", "Cookie": "secret", "X-Key": "secret"}
                url = f"{one.origin}/to?/to?{two.origin}/to?{one.origin}/x"
                assert await fetched(outgoing, url, fields) == "GET /x"
            has_secret = ["secret" in str(request.headers) for request in one.requests]
            assert has_secret == [True, True, False]
            assert "secret" not in str(two.requests[0].headers)

    run(main())


def test_field_of_the_caller_replaces_the_default_one() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            await fetched(outgoing, f"{server.origin}/", {"user-agent": "x", "ACCEPT": "y"})
            fields = server.requests[0].headers
            assert (fields.getall("User-Agent"), fields.getall("Accept")) == (["x"], ["y"])

    run(main())


def test_forbidden_field_is_refused_without_a_request() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            for name, value in (("Host", "evil.example"), ("X", "a\r\nHost: b")):
                with pytest.raises(Refused):
                    await fetched(outgoing, f"{server.origin}/", {name: value})
            assert not server.requests

    run(main())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_site_is_reached_by_its_socket(tmp_path: Path, scheme: str) -> None:
    async def main() -> None:
        socket_path = tmp_path / "site"
        origin = FetchOrigin(scheme, "localhost", 8080)
        async with Server().serving(socket_path) as server:
            async with Outgoing(OriginGuard([]), site=SiteAddress(origin, socket_path)) as outgoing:
                assert await fetched(outgoing, "/a%2Fb?c") == "GET /a%2Fb?c"
                assert await fetched(outgoing, f"{origin}/x") == "GET /x"
                assert await fetched(outgoing, f"/to?{origin}/y") == "GET /y"
                with pytest.raises(Refused):
                    await fetched(outgoing, f"/to?{scheme}://localhost:8081/")
            fields = server.requests[0].headers
            assert fields["Host"] == fields["X-Forwarded-Host"] == "localhost:8080"
            assert fields["X-Forwarded-Proto"] == scheme
            assert fields["Forwarded"] == f'for=unknown;host="localhost:8080";proto={scheme}'

    run(main())


def test_site_without_a_socket_is_reached_by_its_origin() -> None:
    async def main() -> None:
        async with (
            Server().serving() as server,
            Outgoing(OriginGuard([]), site=SiteAddress(server.origin)) as outgoing,
        ):
            assert await fetched(outgoing, "/x") == "GET /x"

    run(main())


def test_path_that_names_another_host_is_refused() -> None:
    async def main() -> None:
        async with (
            Server().serving() as server,
            Outgoing(OriginGuard([]), site=SiteAddress(server.origin)) as outgoing,
        ):
            for url in (f"//localhost:{server.port}/", "/\\evil.example/", "@evil.example/"):
                with pytest.raises(Refused):
                    await fetched(outgoing, url)

    run(main())


@pytest.mark.parametrize("body", [b"body", b"much of it" * 20_000])
def test_send_sends_exactly_the_given_fields_and_body(body: bytes) -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            fields = {"Content-Type": "text/plain", "X-Forward-Id": "1"}
            async with outgoing.send("PUT", f"{server.origin}/x?y", fields, body) as response:
                assert await response.text() == "PUT /x?y"
            names = {name.lower() for name in server.requests[0].headers}
            added = {"host", "content-length", "connection"}
            assert names == {"content-type", "x-forward-id", *added}
            assert server.requests[0].headers["Content-Length"] == str(len(body))
            assert server.bodies == [body]

    run(main())


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/%41/../b//c;d?x=%7e&y=a+b", "/%41/../b//c;d?x=%7e&y=a+b"),
        ("/a'(b)", "/a'(b)"),
        ("?x", "/?x"),
        ("/é", "/%C3%A9"),
    ],
)
def test_send_keeps_path_and_query_byte_for_byte(written: str, sent: str) -> None:
    async def main() -> None:
        async with (
            Server().serving() as server,
            Outgoing(OriginGuard([server.origin])) as outgoing,
            outgoing.send("POST", f"{server.origin}{written}", {}, b"") as response,
        ):
            assert await response.text() == f"POST {sent}"

    run(main())


def test_send_does_not_follow_redirects() -> None:
    async def main() -> None:
        async with Server().serving() as server, Outgoing(OriginGuard([server.origin])) as outgoing:
            async with outgoing.send("POST", f"{server.origin}/to?/x", {}, b"") as response:
                assert response.status == 302
            assert len(server.requests) == 1

    run(main())


@pytest.mark.parametrize("url", ["/x", "http://localhost:1/", "http://127.1/"])
def test_send_to_a_path_or_another_origin_is_refused(url: str) -> None:
    async def main() -> None:
        async with Server().serving() as server:
            site = SiteAddress(FetchOrigin("http", "localhost", server.port))
            async with Outgoing(OriginGuard([server.origin]), site=site) as outgoing:
                with pytest.raises(Refused):
                    async with outgoing.send("POST", url, {}, b""):
                        pass
            assert not server.requests

    run(main())


TIMEOUTS = [Timeouts(total_s=100 * MS), Timeouts(idle_s=100 * MS)]


@pytest.mark.parametrize("timeouts", TIMEOUTS, ids=["total", "idle"])
def test_silent_server_raises_timeout_error(timeouts: Timeouts) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            origin = FetchOrigin("http", "127.0.0.1", silent.getsockname()[1])
            async with Outgoing(OriginGuard([origin])) as outgoing:
                with pytest.raises(TimeoutError):
                    async with outgoing.get(f"{origin}/", None, timeouts):
                        pass
                with pytest.raises(TimeoutError):
                    async with outgoing.send("PUT", f"{origin}/", {}, b"", timeouts):
                        pass

    run(main())


def test_silent_name_server_raises_timeout_error() -> None:
    class Silent(Names):
        async def resolve(
            self, host: str, port: int, family: socket.AddressFamily
        ) -> list[ResolveResult]:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

    async def main() -> None:
        allowed = FetchOrigin("http", "public.example", 80)
        async with Outgoing(OriginGuard([allowed]), resolve=Silent({}).resolve) as outgoing:
            with pytest.raises(TimeoutError):
                async with outgoing.get(f"{allowed}/", None, Timeouts(connect_s=100 * MS)):
                    pass

    run(main())


def test_https_request_to_a_plain_http_server_fails() -> None:
    async def main() -> None:
        async with Server().serving() as server:
            origin = FetchOrigin("https", "127.0.0.1", server.port)
            async with Outgoing(OriginGuard([origin])) as outgoing:
                with pytest.raises((aiohttp.ClientError, ssl.SSLError, asyncio.TimeoutError)):
                    await fetched(outgoing, f"{origin}/")

    run(main())
