"""Fetching of items from real servers on loopback: order, limits, cancellation."""

import asyncio
import contextlib
import gzip
import socket
from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
from aiohttp import ClientResponse, web

from httpprocessproxy.companions.archive.fetching import Fetching, Limits
from httpprocessproxy.companions.archive.origins import Fetched, Item, ItemFailedError, Missed
from httpprocessproxy.companions.fetch_client import (
    FetchOrigin,
    OriginGuard,
    Outgoing,
    SiteAddress,
    Timeouts,
)
from test.companions.fetch_client.servers import Server
from test.deadline import MS, PATIENCE_S
from test.loops import eventually, run


class Items(Server):
    """A server whose paths select the response: /size?N, /chunks?N, /gzip?N, /cut?N, /404.

    /begin never ends its response.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.left: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.requests.append(request)
        try:
            return await self._answer(request)
        finally:
            self.left.append(request.path_qs)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        count = int(request.query_string or 0)
        match request.path:
            case "/size":
                return web.Response(body=b"x" * count, content_type="text/x")
            case "/gzip":
                packed = gzip.compress(b"x" * count)
                return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
            case "/to":
                return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})
            case "/404":
                return web.Response(status=404, text="none")
        return await self._stream(request, count)

    async def _stream(self, request: web.Request, count: int) -> web.StreamResponse:
        response = web.StreamResponse()
        if request.path == "/cut":
            response.content_length = count + 1
        await response.prepare(request)
        await response.write(b"x" * count)
        if request.path == "/cut":
            assert request.transport is not None
            request.transport.abort()
        if request.path == "/begin":
            await asyncio.sleep(PATIENCE_S)
        if request.path == "/endless":
            while True:
                await response.write(b"x" * 65536)
        return response


@contextlib.asynccontextmanager
async def fetching(limits: Limits | None = None) -> AsyncIterator[tuple[Items, Fetching]]:
    async with Items().serving() as server:
        assert isinstance(server, Items)
        async with Outgoing(OriginGuard([]), site=SiteAddress(server.origin)) as outgoing:
            yield server, Fetching(outgoing, limits)


async def outcome(answer: Fetched | Missed) -> str:
    """The outcome of an item as a short text."""
    if isinstance(answer, Missed):
        return f"missed: {answer.reason}"
    size = 0
    try:
        async for piece in answer.body:
            size += len(piece)
    except ItemFailedError as error:
        return f"{answer.status} {size}: {error}"
    return f"{answer.status} {answer.size} {size}"


async def outcomes(fetcher: Fetching, urls: Sequence[str]) -> list[str]:
    async with fetcher.fetch([Item(url) for url in urls]) as answers:
        return [await outcome(answer) async for answer in answers]


def test_each_item_has_one_result_in_order() -> None:
    async def main() -> None:
        async with fetching() as (_, fetcher):
            urls = ["/size?3", "/404", "/chunks?70000", "/gzip?5000", "/size?0", "/to", "file:///x"]
            assert await outcomes(fetcher, urls) == [
                "200 3 3",
                "404 4 4",
                "200 None 70000",
                "200 None 5000",
                "200 0 0",
                "missed: redirected: http://169.254.169.254 is not allowed",
                "missed: only http and https: 'file:///x'",
            ]

    run(main())


def test_no_items_give_no_results() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):
            assert await outcomes(fetcher, []) == []
            assert not server.asked

    run(main())


def test_result_has_the_content_type_and_the_request_has_the_item_headers() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):
            item = Item("/size?1", headers=(("X-Name", "value"),))
            async with fetcher.fetch([item]) as answers:
                answer = await anext(answers)
            assert isinstance(answer, Fetched)
            assert (answer.item, answer.content_type) == (item, "text/x")
            assert server.requests[0].headers["X-Name"] == "value"

    run(main())


def test_only_one_item_is_requested_ahead() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):
            async with fetcher.fetch([Item(f"/size?{n}") for n in range(1, 5)]) as answers:
                await anext(answers)
                await eventually(lambda: len(server.left) == 2)
                assert server.asked == ["/size?1", "/size?2"]
                await anext(answers)
                await eventually(lambda: len(server.left) == 3)
            assert server.asked == ["/size?1", "/size?2", "/size?3"]

    run(main())


class Counting(Outgoing):
    """Counts the received response heads."""

    heads = 0

    @contextlib.asynccontextmanager
    async def get(
        self, url: str, fields: Mapping[str, str] | None = None, timeouts: Timeouts | None = None
    ) -> AsyncIterator[ClientResponse]:
        async with super().get(url, fields, timeouts) as response:
            self.heads += 1
            yield response


@pytest.mark.parametrize(("fresh_s", "asked"), [(0.0, 3), (PATIENCE_S, 2)])
def test_response_that_waited_longer_than_fresh_s_is_requested_again(
    fresh_s: float, asked: int
) -> None:
    async def main() -> None:
        async with (
            Items().serving() as server,
            Counting(OriginGuard([]), site=SiteAddress(server.origin)) as outgoing,
            Fetching(outgoing, Limits(fresh_s=fresh_s)).fetch(
                [Item("/size?1"), Item("/size?2")]
            ) as answers,
        ):
            await anext(answers)
            await eventually(lambda: outgoing.heads == 2)
            assert await outcome(await anext(answers)) == "200 2 2"
            assert len(server.requests) == asked

    run(main())


def test_truncated_body_raises_item_failed_error() -> None:
    async def main() -> None:
        async with fetching() as (_, fetcher):
            fates = await outcomes(fetcher, ["/cut?10", "/size?1"])
            assert fates[0].endswith(": it ended too early, or was not well encoded")
            assert fates[1] == "200 1 1"

    run(main())


def test_item_above_item_bytes_fails() -> None:
    async def main() -> None:
        async with fetching(Limits(item_bytes=100_000)) as (_, fetcher):
            fates = await outcomes(fetcher, ["/size?100001", "/endless", "/size?100000"])
            assert fates[0] == "missed: 100001 bytes, of 100000 at most"
            assert fates[1].endswith(": more than 100000 bytes")
            assert fates[2] == "200 100000 100000"

    run(main())


def test_compressed_body_counts_with_its_decoded_size() -> None:
    async def main() -> None:
        async with fetching(Limits(item_bytes=1_000_000)) as (_, fetcher):
            fates = await outcomes(fetcher, ["/gzip?50000000"])
            assert fates[0].endswith(": more than 1000000 bytes")

    run(main())


def test_items_above_total_bytes_fail() -> None:
    async def main() -> None:
        async with fetching(Limits(total_bytes=250)) as (server, fetcher):
            fates = await outcomes(fetcher, ["/size?100", "/size?100", "/size?100", "/size?1"])
            too_large = "the archive would have more than 250 bytes"
            assert fates[:2] == ["200 100 100"] * 2
            assert fates[2] == f"200 0: {too_large}"
            assert len(server.asked) <= 4

    run(main())


SLOW = [
    (Limits(item_s=200 * MS), "it took too long"),
    (Limits(total_s=200 * MS), "it took too long"),
    (Limits(idle_s=200 * MS), "no data for too long"),
]


@pytest.mark.parametrize(("limits", "reason"), SLOW, ids=["item", "total", "idle"])
def test_item_above_a_time_limit_fails(limits: Limits, reason: str) -> None:
    async def main() -> None:
        async with fetching(limits) as (_, fetcher):
            assert await outcomes(fetcher, ["/begin?5"]) == [f"200 5: {reason}"]
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            async with Outgoing(OriginGuard([FetchOrigin.parse(url)])) as outgoing:
                fates = await outcomes(Fetching(outgoing, limits), [f"{url}/x"])
                assert fates == [f"missed: {reason}"]

    run(main())


def test_refused_connection_is_reported_in_one_line() -> None:
    async def main() -> None:
        async with Server().serving() as server:
            origin = server.origin
        async with Outgoing(OriginGuard([origin])) as outgoing:
            fates = await outcomes(Fetching(outgoing), [f"{origin}/"])
            assert fates[0].startswith("missed: cannot connect: ")

    run(main())


def test_invalid_http_is_reported_in_one_line() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            origin = FetchOrigin("http", "127.0.0.1", server.sockets[0].getsockname()[1])
            async with Outgoing(OriginGuard([origin])) as outgoing:
                fates = await outcomes(Fetching(outgoing), [f"{origin}/"])
        assert fates == ["missed: its response cannot be read: Bad status line"]

    run(main())


def test_leaving_the_context_ends_all_requests() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):
            async with fetcher.fetch([Item("/endless"), Item("/begin")]) as answers:
                answer = await anext(answers)
                assert isinstance(answer, Fetched)
                await anext(answer.body)
                await eventually(lambda: len(server.asked) == 2)
            await eventually(lambda: len(server.left) == 2)

    run(main())


def test_cancellation_ends_all_requests() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(outcomes(fetcher, ["/begin?1", "/begin?2"]))
                await eventually(lambda: len(server.asked) == 2)
                task.cancel()
            await eventually(lambda: len(server.left) == 2)

    run(main())


def test_error_of_the_reader_is_raised_without_a_group() -> None:
    async def main() -> None:
        async with fetching() as (server, fetcher):

            async def fail() -> None:
                async with fetcher.fetch([Item("/begin"), Item("/size?1")]) as answers:
                    await anext(answers)
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            await eventually(lambda: "/begin" in server.left)

    run(main())
