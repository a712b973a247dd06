"""The queue of deliveries: tries, errors and their reports, and the end of the program."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest

from httpprocessproxy.companions.chains import deliveries, reports
from httpprocessproxy.companions.chains.companion import ChainOptions
from httpprocessproxy.events import HopReported
from test.companions.chains.benches import Line, answer, line
from test.fakes import OK, Listener
from test.loops import eventually, on_every_loop, run

OUT = answer()


@pytest.fixture(autouse=True)
def _no_back_off() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "BACK_OFF_S", (0.001, 0.001))
        yield


def _all_lead_here(
    host: str, port: int, *_: object, **__: object
) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """A fake getaddrinfo that resolves every name to 127.0.0.1."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


async def promised(at: Line, **fields: str) -> None:
    """Send a chain whose first hop is accepted with 202."""
    assert (await at.answered(OUT, *at.lines(**fields))).response.status == 202


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"202 Accepted", b"204 None"])
@on_every_loop
async def test_successful_status_ends_the_delivery(status: bytes) -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        assert (await at.happens("delivered")).status == int(status[:3])


@pytest.mark.parametrize("status", [b"500 Oh", b"404 Not Found", b"203 From Elsewhere"])
@on_every_loop
async def test_other_status_is_reported_with_the_text_of_the_response(status: bytes) -> None:
    async with line() as at:
        await promised(at, Query_Params="b=2")
        hop, _ = await at.next()
        await hop.send(answer(status=status, body=b"sorry"))
        told = await at.error()
        assert (told["errorType"], told["errorCode"]) == ("External", status[:3].decode())
        assert (told["id"], told["iri"], told["host"]) == (at.id, "/orders", "localhost")
        assert told["responseText"] == "sorry"
        await at.happens("failed", "error sent to")
        assert at.bus.recent(HopReported)[0].tries == 1


@on_every_loop
async def test_chain_may_be_sent_again_after_a_failed_delivery() -> None:
    async with line() as at:
        await promised(at)
        await (await at.next())[0].send(answer(status=b"503 Later"))
        await at.happens("failed", "error sent to")
        await promised(at)
        await (await at.next())[0].send(OK)
        await at.happens("failed", "error sent to", "delivered")
        assert (await (await at.ask()).response()).status == 409


@on_every_loop
async def test_redirect_is_reported_as_an_error_and_not_followed() -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(answer(b"Location: " + at.to.encode(), status=b"302 Found"))
        assert (await at.error())["errorCode"] == "302"
        await at.happens("failed", "error sent to")


@on_every_loop
async def test_long_error_response_is_cut_in_the_report() -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(answer(status=b"500 Oh", body=b"x" * reports.MAX_TEXT_BYTES * 2))
        text = (await at.error())["responseText"]
        assert len(text) > 500
        assert not text.strip("x")
        await at.happens("failed", "error sent to")


@on_every_loop
async def test_refused_connection_is_tried_three_times() -> None:
    async with line() as at:
        at.hop.close()
        await promised(at)
        told = await at.error()
        assert told["errorType"] == "Internal"
        assert "no connection" in told["errorMessage"]
        await at.happens("failed", "error sent to")
        assert at.bus.recent(HopReported)[0].tries == 3


class Late(tuple[float, ...]):
    """The pauses between tries; the server starts to listen in the first of them."""

    came: Listener

    def __getitem__(self, at: object) -> float:  # type: ignore[override]
        self.came = Listener(port=self.port)
        return 0.001

    port = 0


@on_every_loop
async def test_server_that_listens_late_gets_the_second_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses = Late((0.0, 0.0))
    monkeypatch.setattr(deliveries, "BACK_OFF_S", pauses)
    async with line() as at:
        at.hop.close()
        pauses.port = at.hop.port
        await promised(at)
        await eventually(lambda: hasattr(pauses, "came"))
        with contextlib.closing(pauses.came) as at.hop:
            hop, seen = await at.next()
            assert seen.get(b"X-Forward-Id") == at.id.encode()
            await hop.send(OK)
            assert (await at.happens("delivered")).tries == 2


@pytest.mark.parametrize("method", ["POST", "PUT"])
@on_every_loop
async def test_request_on_a_reset_connection_is_not_sent_again(method: str) -> None:
    async with line() as at:
        await promised(at, Method=method)
        hop, _ = await at.next()
        hop.reset()
        assert "no answer" in (await at.error())["errorMessage"]
        await at.happens("failed", "error sent to")
        assert at.bus.recent(HopReported)[0].tries == 1


@on_every_loop
async def test_delivery_without_response_in_time_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "TIMEOUT_S", 0.1)
    async with line() as at:
        await promised(at)
        await at.next()
        assert (await at.error())["errorMessage"] == "no answer within 0.1 s"
        await at.happens("failed", "error sent to")


def test_public_name_with_a_loopback_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _all_lead_here)

    async def main() -> None:
        allowed = ("http://rebound.example:1", "udp://rebound.example:1")
        async with line(ChainOptions(allowed=allowed)) as at:
            await promised(at, To=allowed[0], Errors_To=allowed[1])
            told = await at.happens("failed", "error not sent to")
            assert "not public" in str(told.text)
            assert "not public" in str(at.bus.recent(HopReported)[0].text)

    run(main())


@on_every_loop
async def test_response_beyond_the_common_budget_gets_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_KEPT_BYTES", 4)
    async with line() as at:
        await promised(at)
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        assert (await at.answered(OUT)).response.status == 503
        await at.happens("error sent to")
        hop, _ = await at.next()
        await hop.send(OK)
        await at.happens("error sent to", "delivered")


# Errors


@on_every_loop
async def test_error_report_is_posted_to_an_http_destination() -> None:
    with contextlib.closing(Listener()) as errors:
        to = f"http://127.0.0.1:{errors.port}"
        async with line(ChainOptions(allowed=(to,))) as at:
            lines = at.lines(Errors_To=f"{to}/errors?of=me", Query_Params="b=2")
            await at.answered(answer(status=b"500 Oh", body=b"sorry"), *lines)
            peer, seen = await errors.take()
            assert (seen.method, seen.target) == (b"POST", b"/errors?of=me")
            assert b'"responseText": "sorry"' in seen.body
            assert {name.lower(): value for name, value in seen.headers} == {
                b"host": to.removeprefix("http://").encode(),
                b"connection": b"close",
                b"content-length": b"%d" % len(seen.body),
                b"content-type": b"application/json",
                b"x-forward-id": at.id.encode(),
                b"x-forward-referer": b"ORIGIN",
                b"x-forward-to": at.to.encode(),
                b"x-forward-query-params": b"b=2",
                b"x-forward-method": b"POST",
                b"x-forward-error-condition": b"External",
                b"x-forward-error-code": b"500",
                b"x-forward-error-message": b"the server answered with an error",
            }
            await peer.send(OK)
            await at.happens("error sent to")


@pytest.mark.parametrize("reply", [b"", answer(status=b"500 Oh"), answer(status=b"302 Found")])
@on_every_loop
async def test_failed_error_report_is_logged_and_not_reported(reply: bytes) -> None:
    with contextlib.closing(Listener()) as errors:
        to = f"http://127.0.0.1:{errors.port}"
        async with line(ChainOptions(allowed=(to,))) as at:
            await at.answered(answer(status=b"500 Oh"), *at.lines(Errors_To=to))
            peer, _ = await errors.take()
            await peer.send(reply)
            peer.close()
            await at.happens("error not sent to")


@on_every_loop
async def test_destination_without_a_scheme_gets_a_datagram() -> None:
    async with line() as at:
        lines = at.lines(Errors_To=at.errors_to.removeprefix("udp://"))
        await at.answered(answer(status=b"500 Oh"), *lines)
        assert (await at.error())["errorCode"] == "500"
        await at.happens("error sent to")


# The end


@on_every_loop
async def test_end_of_the_program_waits_for_a_delivery() -> None:
    async with asyncio.TaskGroup() as group, line() as at:
        await promised(at)
        hop, _ = await at.next()
        # The task runs first when this test waits, which is at the end of `line`.
        group.create_task(hop.send(OK), name="a late answer")
        assert at.happened() == []
    assert at.happened() == ["delivered"]


@on_every_loop
async def test_delivery_unfinished_at_the_end_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "DRAIN_S", 0.05)
    async with line() as at:
        await promised(at)
        await at.next()
    assert at.happened() == ["failed", "error sent to"]
    assert "has ended before" in str(at.bus.recent(HopReported)[-1].text)
