"""Requests with chain fields between a client and a backend: the contract's table, row by row."""

import asyncio

import pytest

from httpprocessproxy.companions.chains import exchange
from httpprocessproxy.companions.chains.companion import ChainOptions
from httpprocessproxy.core.routes import Route
from httpprocessproxy.proxy import DestinationOptions
from test.companions.chains.benches import answer, line
from test.fakes import OK, OtherService, get, post
from test.loops import eventually, on_every_loop
from test.proxy.exchanges import assert_goes_on

OUT = answer()


# The table


@on_every_loop
async def test_request_of_a_chain_passes_the_fence_of_the_watcher() -> None:
    async with line() as at:
        fence: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        asked: list[None] = []

        def passed() -> asyncio.Future[bool]:
            asked.append(None)
            return fence

        at.bench.gate.freshness.fence = passed
        await at.ask()
        await eventually(lambda: bool(asked))
        fence.set_result(True)
        await at.bench.backend.serve(OUT)
        hop, _ = await at.next()
        await hop.send(OK)


@on_every_loop
async def test_request_of_a_chain_goes_to_the_service_of_its_path() -> None:
    rules = DestinationOptions(strips=True)
    async with line(others={"api": OtherService([Route.parse("/api")], rules)}) as at:
        client = await at.ask(target="/api/orders?a=1")
        _, seen = await at.bench.backends["api"].serve(OUT)
        assert seen.target == b"/orders?a=1"
        accepted = await client.response()
        assert (accepted.status, accepted.get(b"X-Canonical-IRI")) == (202, b"/api/orders")
        hop, _ = await at.next()
        await hop.send(OK)


@on_every_loop
async def test_request_without_chain_fields_passes_unchanged() -> None:
    async with line() as at:
        asked = await at.answered(OUT, "X-Forwarded-For: 127.0.0.1", "X-Forward-For: a typo")
        assert (asked.response.status, asked.response.body) == (200, b"out")
        assert asked.response.get(b"X-Canonical-IRI") is None
        assert asked.seen.get(b"X-Forward-For") == b"a typo"
        assert at.happened() == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
@on_every_loop
async def test_other_method_with_chain_fields_passes_unchanged(method: str) -> None:
    async with line() as at:
        client = await at.bench.client(get("/", *at.lines(), method=method))
        _, seen = await at.bench.backend.serve(OUT)
        assert seen.get(b"X-Forward-To") == at.to.encode()
        assert (await client.response()).body == b"out"


@on_every_loop
async def test_chain_without_next_hop_gets_the_response_and_ends() -> None:
    async with line() as at:
        asked = await at.answered(OUT, *at.fixed())
        assert (asked.response.status, asked.response.body) == (200, b"out")
        assert asked.response.get(b"X-Canonical-IRI") == b"/orders"
        assert (await at.happens("ended")).chain == at.id


@on_every_loop
async def test_chain_with_a_next_hop_gets_202_before_the_hop_responds() -> None:
    async with line() as at:
        asked = await at.answered(OUT)
        assert asked.response.status == 202
        assert asked.response.body == b""
        assert asked.response.get(b"X-Canonical-IRI") == b"/orders"
        assert asked.response.get(b"Content-Type") is None
        hop, seen = await at.next()
        assert (seen.method, seen.target, seen.body) == (b"POST", b"/orders", b"out")
        assert at.happened() == []
        await hop.send(OK)
        told = await at.happens("delivered")
        assert (told.method, told.url, told.status) == ("POST", f"{at.to}/orders", 200)
        # Both connections stay open.
        assert (await at.bench.exchange(asked.client, asked.backend, get())).status == 200


@on_every_loop
async def test_next_hop_gets_the_chain_fields_and_no_credentials() -> None:
    async with line() as at:
        lines = at.lines(To=f"{at.to}/x?y, http://next", Query_Params="b=2,", Method="put, post")
        secrets = ("Authorization: Bearer x", "Cookie: a=b", "X-Mine: 1")
        await at.answered(OUT, *lines, *secrets)
        hop, seen = await at.next()
        assert (seen.method, seen.target) == (b"PUT", b"/orders?b=2")
        assert {name.lower(): value for name, value in seen.headers} == {
            b"host": at.to.removeprefix("http://").encode(),
            b"connection": b"close",
            b"content-length": b"3",
            b"content-type": b"text/plain",
            b"x-forward-id": at.id.encode(),
            b"x-forward-errors-to": at.errors_to.encode(),
            b"x-forward-referer": b"http://localhost/orders?a=1",
            b"x-forward-to": b"http://next",
            b"x-forward-query-params": b"",
            b"x-forward-method": b"post",
        }
        await hop.send(OK)
        await at.happens("delivered")


@pytest.mark.parametrize(
    ("status", "reason", "fields"),
    [
        (400, "X-Forward-Id is not a UUID", {"Id": "1"}),
        (400, "lists of unequal length", {"Method": "POST,POST"}),
        (400, "is POST or PUT", {"Method": "DELETE"}),
        (400, "not a query", {"Query_Params": "a#b"}),
        (403, "http://elsewhere is not allowed", {"To": "http://elsewhere"}),
        (403, "not an http or https origin", {"To": "file:///etc/passwd"}),
        (403, "http://elsewhere is not allowed", {"Errors_To": "http://elsewhere/x"}),
        (403, "elsewhere:1 is not allowed", {"Errors_To": "elsewhere:1"}),
        (403, "not an http", {"Errors_To": "elsewhere"}),
    ],
)
@on_every_loop
async def test_refused_chain_never_reaches_the_backend(
    status: int, reason: str, fields: dict[str, str]
) -> None:
    async with line() as at:
        client = await at.ask(*at.lines(**fields))
        response = await client.response()
        assert response.status == status
        assert reason in response.body.decode()
        assert response.first.decode().endswith(response.body.decode().rstrip("\n"))
        assert response.body.endswith(b"\n")
        content_type = response.get(b"Content-Type")
        assert content_type is not None
        assert content_type.startswith(b"text/plain")
        assert at.happened() == ["refused"]
        await assert_goes_on(at.bench, client)


@on_every_loop
async def test_missing_fields_are_named_in_the_400() -> None:
    async with line() as at:
        client = await at.ask(*at.fixed(), f"X-Forward-To: {at.to}")
        response = await client.response()
        text = b"Missing headers X-Forward-Query-Params and X-Forward-Method"
        assert (response.status, response.body) == (400, text + b"\n")
        assert response.first == b"HTTP/1.1 400 " + text


@pytest.mark.parametrize(
    "folded",
    ["X-Forward-To: {to},\r\n http://elsewhere", "X-Forward-Id:\r\n 1", "X-Mine: 1\r\n\t2"],
)
@on_every_loop
async def test_request_with_folded_lines_gets_400(folded: str) -> None:
    """RFC 9112 section 5.2: a server must reject folded lines, or replace each fold by spaces."""
    async with line() as at:
        client = await at.ask(*at.lines(), folded.format(to=at.to))
        assert (await client.response()).status == 400
        await client.assert_closed()
        assert at.happened() == []


@on_every_loop
async def test_response_with_folded_lines_gives_502() -> None:
    async with line() as at:
        asked = await at.answered(answer(b"X-Forward-Query-Params: a=1\r\n &b=2"))
        assert asked.response.status == 502
        assert (await at.error())["errorType"] == "Internal"
        await at.happens("error sent to")


@on_every_loop
async def test_refusal_does_not_wait_for_the_body() -> None:
    async with line() as at:
        lines = ("X-Forward-Id: x",)
        client = await at.bench.client(post(b"the beginning", "/", *lines, length=1000))
        assert (await client.response()).get(b"Connection") == b"close"
        client.finish()
        await client.assert_closed()


@on_every_loop
async def test_error_response_reaches_the_client_unchanged_and_is_reported() -> None:
    async with line() as at:
        asked = await at.answered(answer(b"X-Mine: 1", body=b"sorry", status=b"500 Oh"))
        assert (asked.response.first, asked.response.body) == (b"HTTP/1.1 500 Oh", b"sorry")
        assert asked.response.get(b"X-Mine") == b"1"
        assert asked.response.get(b"X-Canonical-IRI") is None
        told = await at.error()
        assert (told["errorType"], told["errorCode"]) == ("External", "500")
        assert (told["id"], told["iri"], told["responseText"]) == (at.id, "/orders", "sorry")
        await at.happens("error sent to")
        # After an error the same chain may be sent again.
        assert (await at.answered(OUT, *at.fixed())).response.status == 200


@on_every_loop
async def test_chain_beyond_the_places_gets_503() -> None:
    async with line(ChainOptions(places=1)) as at:
        await at.answered(OUT)
        hop, _ = await at.next()
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        response = await (await at.ask()).response()
        assert response.status == 503
        assert response.get(b"Retry-After") == b"1"
        await hop.send(OK)
        await at.happens("refused", "delivered")
        assert (await at.answered(OUT)).response.status == 202
        await (await at.next())[0].send(OK)
        await at.happens("refused", "delivered", "delivered")


# Responses of handlers


@on_every_loop
async def test_handler_extends_the_chain_and_the_client_does_not_see_it() -> None:
    async with line() as at:
        said = (b"X-Forward-Query-Params: c=3", b"X-Canonical-IRI: /orders/7")
        asked = await at.answered(answer(*said), *at.lines(Query_Params="b=2"))
        assert asked.response.status == 202
        assert asked.response.get(b"X-Canonical-IRI") == b"/orders/7"
        assert asked.response.get(b"X-Forward-Query-Params") is None
        hop, seen = await at.next()
        assert seen.target == b"/orders/7?b=2&c=3"
        await hop.send(OK)
        await at.happens("delivered")


@on_every_loop
async def test_handler_extends_a_chain_that_had_no_next_hop() -> None:
    async with line() as at:
        said = [f"X-Forward-To: {at.to}", "X-Forward-Query-Params:", "X-Forward-Method: PUT"]
        asked = await at.answered(answer(*map(str.encode, said)), *at.fixed())
        assert asked.response.status == 202
        hop, seen = await at.next()
        assert seen.method == b"PUT"
        await hop.send(OK)
        await at.happens("delivered")


@pytest.mark.parametrize(
    "said", ["X-Forward-To: ,http://elsewhere", "X-Forward-To: http://elsewhere"]
)
@on_every_loop
async def test_handler_that_breaks_the_chain_gives_502(said: str) -> None:
    async with line() as at:
        lines = at.lines() if "," in said else at.fixed()
        asked = await at.answered(answer(said.encode()), *lines)
        assert asked.response.status == 502
        assert (await at.error())["errorType"] == "Internal"
        await at.happens("error sent to")


@on_every_loop
async def test_chain_fields_of_a_response_do_not_reach_the_client() -> None:
    async with line() as at:
        asked = await at.answered(
            answer(b"x-forward-id: 1", b"X-Forward-Errors-To: x"), *at.fixed()
        )
        assert not [name for name, _ in asked.response.headers if name.lower().startswith(b"x-f")]


@on_every_loop
async def test_empty_response_is_delivered_as_an_empty_body() -> None:
    async with line() as at:
        await at.answered(b"HTTP/1.1 204 No Content\r\n\r\n")
        hop, seen = await at.next()
        assert (seen.body, seen.get(b"Content-Type"), seen.get(b"Content-Length")) == (
            b"",
            None,
            b"0",
        )
        await hop.send(OK)
        await at.happens("delivered")


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nou\r\n1\r\nt\r\n0\r\n\r\n",
        b"Connection: close\r\n\r\nout",
    ],
)
@on_every_loop
async def test_response_with_any_framing_is_delivered_with_its_length(framing: bytes) -> None:
    async with line() as at:
        client = await at.ask()
        backend, _ = await at.bench.backend.take()
        await backend.send(b"HTTP/1.1 200 OK\r\n" + framing)
        if b"close" in framing:
            backend.close()
        assert (await client.response()).status == 202
        hop, seen = await at.next()
        assert seen.body == b"out"
        await hop.send(OK)
        await at.happens("delivered")


@on_every_loop
async def test_response_with_a_content_coding_gives_502() -> None:
    async with line() as at:
        lines = (*at.lines(), "Accept-Encoding: gzip")
        asked = await at.answered(answer(b"Content-Encoding: gzip"), *lines)
        assert asked.seen.get(b"Accept-Encoding") is None
        assert asked.response.status == 502
        await at.happens("error sent to")


@pytest.mark.parametrize("size", [11, 1000])
@on_every_loop
async def test_too_large_response_gives_413_and_is_not_delivered(size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "MAX_BODY_BYTES", 10)
        async with line() as at:
            client = await at.ask()
            backend, _ = await at.bench.backend.take()
            await backend.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, b"x" * 11)
            assert (await client.response()).status == 413
            await backend.assert_reset()
            assert (await at.error())["errorMessage"].startswith("an answer of more than 10 bytes")
            await at.happens("error sent to")
            await assert_goes_on(at.bench, client)
