"""The admission of chains, and the fields and cookies that are sent to the next hop."""

import asyncio

import pytest

from httpprocessproxy.companions.chains.companion import ChainOptions
from test.companions.chains.benches import answer, line
from test.fakes import OK, get, post
from test.loops import eventually, on_every_loop

OUT = answer()
OTHER = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"


@pytest.mark.parametrize(
    ("token", "line_", "status"),
    [
        ("", "X-Forward-Token: ", 403),
        ("secret", "X-Forward-Token: secre", 403),
        ("secret", "X-Forward-Token: secret", 202),
    ],
)
@on_every_loop
async def test_untrusted_client_needs_the_token(token: str, line_: str, status: int) -> None:
    async with line(ChainOptions(token=token), is_trusted=False) as at:
        client = await at.ask(*at.lines(), line_)
        if status == 202:
            _, seen = await at.bench.backend.serve(OUT)
            assert seen.get(b"X-Forward-Token") is None
            await (await at.next())[0].send(OK)
        assert (await client.response()).status == status


@pytest.mark.parametrize(
    "request_",
    [
        get("/", "x-forward-token: secret"),
        get("http://localhost/", "X-Forward-Token: secret"),
        get("/", "X-Forward-Token: secret", "X-Forward-Token: secret", "X-Forward-Id: 1"),
        post(b"in", "/", "X-FORWARD-TOKEN: secret", "X-Mine: 1"),
        post(b"in", "/", "X-Forward-Error-Condition: Internal", "X-Forward-Token: secret"),
    ],
)
@on_every_loop
async def test_token_never_reaches_the_backend_with_a_chain_or_without(request_: bytes) -> None:
    async with line(ChainOptions(token="secret")) as at:
        client = await at.bench.client()
        # The second request hits the reader's cache of fields.
        for _ in range(2):
            await client.send(request_)
            backend, seen = await at.bench.backend.serve(OUT)
            assert seen.get(b"X-Forward-Token") is None
            assert b"secret" not in b"".join(value for _, value in seen.headers)
            assert (await client.response()).status == 200
            backend.close()


@on_every_loop
async def test_token_field_is_passed_on_when_no_token_is_configured() -> None:
    async with line() as at:
        asked = await at.answered(OUT, "X-Forward-Token: of the application")
        assert asked.seen.get(b"X-Forward-Token") == b"of the application"


@on_every_loop
async def test_remote_client_behind_a_trusted_proxy_is_refused() -> None:
    async with line() as at:
        client = await at.ask(*at.lines(), "X-Forwarded-For: 203.0.113.7")
        assert (await client.response()).status == 403


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost", 200), ("http://evil.example", 403), ("null", 403)]
)
@on_every_loop
async def test_chain_from_a_page_of_another_site_is_refused(origin: str, status: int) -> None:
    async with line() as at:
        client = await at.ask(*at.fixed(), f"Origin: {origin}")
        if status == 200:
            await at.bench.backend.serve(OUT)
        response = await client.response()
        assert response.status == status
        assert not [name for name, _ in response.headers if name.lower().startswith(b"access-")]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("cookies", [False, True])
@on_every_loop
async def test_cookies_are_sent_on_only_with_the_option_and_within_the_host(
    cookies: bool, host: str
) -> None:
    async with line(ChainOptions(cookies=cookies)) as at:
        request = post(b"", "/", *at.lines(), "Cookie: a=b", "Cookie: c=d")
        client = await at.bench.client(
            request.replace(b"Host: localhost", f"Host: {host}".encode())
        )
        await at.bench.backend.serve(OUT)
        assert (await client.response()).status == 202
        hop, seen = await at.next()
        expected = b"a=b; c=d" if cookies and host == "127.0.0.1" else None
        assert seen.get(b"Cookie") == expected
        await hop.send(OK)
        await at.happens("delivered")


@pytest.mark.parametrize("target", ["/" + "x" * 9000, "/a\\b"])
@on_every_loop
async def test_url_that_cannot_be_requested_is_reported_as_an_error(target: str) -> None:
    async with line(ChainOptions(cookies=True)) as at:
        lines = (*at.lines(), "Cookie: a=b")
        assert (await at.answered(OUT, *lines, target=target)).response.status == 202
        assert (await at.error())["errorType"] == "Internal"
        told = await at.happens("failed", "error sent to")
        assert "refused: " in str(told.text)


@on_every_loop
async def test_responses_of_chains_get_the_configured_fields() -> None:
    async with line(ChainOptions(reply_fields=("X-Mine: 1", "X-Ours: 2"))) as at:
        for lines, status, field in (
            (at.lines(), 202, b"1"),
            (at.fixed(Id=OTHER), 200, b"1"),
            (["X-Mine: no chain"], 200, None),
        ):
            response = (await at.answered(OUT, *lines)).response
            assert (response.status, response.get(b"X-Mine")) == (status, field)
        await (await at.next())[0].send(OK)
        await at.happens("ended", "delivered")


@on_every_loop
async def test_referer_of_the_next_hop_has_the_forwarded_scheme() -> None:
    async with line() as at:
        lines = ("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https")
        await at.answered(OUT, *at.lines(), *lines)
        hop, seen = await at.next()
        assert seen.get(b"X-Forward-Referer") == b"https://localhost/orders?a=1"
        await hop.send(OK)
        await at.happens("delivered")


@on_every_loop
async def test_dry_run_sends_neither_hops_nor_error_reports() -> None:
    async with line(ChainOptions(dry_run=True)) as at:
        for _ in range(2):  # the Id may be repeated, because nothing has been sent
            assert (await at.answered(OUT)).response.status == 202
        assert (await at.happens("would go", "would go")).url == f"{at.to}/orders"
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        assert (await at.answered(answer(status=b"500 Oh"))).response.status == 500
        await at.happens("would go", "would go", "would send error to")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await at.hop.accept()


@pytest.mark.parametrize(("referer", "status"), [("ORIGIN", 409), ("http://next/", 508)])
@on_every_loop
async def test_repeated_route_is_refused_as_retry_or_loop(referer: str, status: int) -> None:
    async with line() as at:
        await at.answered(OUT, *at.fixed())
        response = await (await at.ask(*at.fixed(Referer=referer))).response()
        assert response.status == status
        assert at.happened() == ["ended", "refused"]


@on_every_loop
async def test_chain_that_returns_with_a_shorter_route_passes() -> None:
    async with line() as at:
        await at.answered(OUT)
        await (await at.next())[0].send(OK)
        asked = await at.answered(OUT, *at.fixed(Referer=f"{at.to}/orders"))
        assert asked.response.status == 200
        await at.happens("delivered", "ended")


@on_every_loop
async def test_handler_that_sends_the_chain_back_for_ever_is_a_loop() -> None:
    async with line() as at:
        said = [f"X-Forward-To: {at.to}", "X-Forward-Query-Params:", "X-Forward-Method: PUT"]
        await at.answered(answer(*map(str.encode, said)), *at.fixed())
        hop, seen = await at.next()
        referer = seen.get(b"X-Forward-Referer")
        assert referer is not None
        client = await at.ask(*at.fixed(Referer=referer.decode()))
        assert (await client.response()).status == 508
        await hop.send(OK)
        await at.happens("refused", "delivered")


@on_every_loop
async def test_admin_request_with_chain_fields_begins_no_chain() -> None:
    async with line() as at:
        client = await at.ask(*at.lines(), target="/_hpp/status")
        assert (await client.response()).status == 502  # the bench has none
        await eventually(lambda: at.happened() == [])
