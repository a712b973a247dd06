"""Answers on their way: tries, errors and who hears of them, and the end of the program."""

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
    """A name server that has somebody call this very machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


async def promised(at: Line, **fields: str) -> None:
    """A chain whose first hop has been promised."""
    assert (await at.answered(OUT, *at.lines(**fields))).response.status == 202


@pytest.mark.parametrize("status", [b"200 OK", b"201 Created", b"202 Accepted", b"204 None"])
@on_every_loop
async def test_these_are_successes(status: bytes) -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        assert (await at.happens("delivered")).status == int(status[:3])


@pytest.mark.parametrize("status", [b"500 Oh", b"404 Not Found", b"203 From Elsewhere"])
@on_every_loop
async def test_others_are_told_as_errors_with_what_the_server_said(status: bytes) -> None:
    async with line() as at:
        await promised(at, Query_Params="b=2")
        hop, _ = await at.next()
        await hop.send(answer(status=status, body=b"sorry"))
        told = await at.error()
        assert (told["errorType"], told["errorCode"]) == ("External", status[:3].decode())
        assert (told["id"], told["iri"], told["host"]) == (at.id, "/orders", "localhost")
        assert told["responseText"] == "sorry"
        await at.happens("failed", "error told to")
        assert at.bus.recent(HopReported)[0].tries == 1


@on_every_loop
async def test_a_chain_whose_delivery_failed_may_be_sent_again() -> None:
    async with line() as at:
        await promised(at)
        await (await at.next())[0].send(answer(status=b"503 Later"))
        await at.happens("failed", "error told to")
        await promised(at)
        await (await at.next())[0].send(OK)
        await at.happens("failed", "error told to", "delivered")
        assert (await (await at.ask()).response()).status == 409


@on_every_loop
async def test_redirects_are_not_followed() -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(answer(b"Location: " + at.to.encode(), status=b"302 Found"))
        assert (await at.error())["errorCode"] == "302"
        await at.happens("failed", "error told to")


@on_every_loop
async def test_a_long_error_is_told_in_part() -> None:
    async with line() as at:
        await promised(at)
        hop, _ = await at.next()
        await hop.send(answer(status=b"500 Oh", body=b"x" * reports.MAX_TEXT_BYTES * 2))
        text = (await at.error())["responseText"]
        assert len(text) > 500
        assert not text.strip("x")
        await at.happens("failed", "error told to")


@on_every_loop
async def test_a_refused_connection_is_tried_three_times() -> None:
    async with line() as at:
        at.hop.close()
        await promised(at)
        told = await at.error()
        assert told["errorType"] == "Internal"
        assert "no connection" in told["errorMessage"]
        await at.happens("failed", "error told to")
        assert at.bus.recent(HopReported)[0].tries == 3


class Late(tuple[float, ...]):
    """Pauses between tries, in the first of which the server comes back."""

    came: Listener

    def __getitem__(self, at: object) -> float:  # type: ignore[override]
        self.came = Listener(port=self.port)
        return 0.001

    port = 0


@on_every_loop
async def test_a_server_that_comes_late_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
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
async def test_what_may_have_arrived_is_not_sent_again(method: str) -> None:
    async with line() as at:
        await promised(at, Method=method)
        hop, _ = await at.next()
        hop.reset()
        assert "no answer" in (await at.error())["errorMessage"]
        await at.happens("failed", "error told to")
        assert at.bus.recent(HopReported)[0].tries == 1


@on_every_loop
async def test_no_answer_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "TIMEOUT_S", 0.1)
    async with line() as at:
        await promised(at)
        await at.next()
        assert (await at.error())["errorMessage"] == "no answer within 0.1 s"
        await at.happens("failed", "error told to")


def test_a_name_that_leads_to_this_machine_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _all_lead_here)

    async def main() -> None:
        allowed = ("http://rebound.example:1", "udp://rebound.example:1")
        async with line(ChainOptions(allowed=allowed)) as at:
            await promised(at, To=allowed[0], Errors_To=allowed[1])
            told = await at.happens("failed", "error not told to")
            assert "not public" in str(told.text)
            assert "not public" in str(at.bus.recent(HopReported)[0].text)

    run(main())


@on_every_loop
async def test_the_answers_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_KEPT_BYTES", 4)
    async with line() as at:
        await promised(at)
        at.id = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
        assert (await at.answered(OUT)).response.status == 503
        await at.happens("error told to")
        hop, _ = await at.next()
        await hop.send(OK)
        await at.happens("error told to", "delivered")


# Errors


@on_every_loop
async def test_an_error_is_posted() -> None:
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
            await at.happens("error told to")


@pytest.mark.parametrize("reply", [b"", answer(status=b"500 Oh"), answer(status=b"302 Found")])
@on_every_loop
async def test_an_error_of_telling_an_error_is_a_line_and_no_more(reply: bytes) -> None:
    with contextlib.closing(Listener()) as errors:
        to = f"http://127.0.0.1:{errors.port}"
        async with line(ChainOptions(allowed=(to,))) as at:
            await at.answered(answer(status=b"500 Oh"), *at.lines(Errors_To=to))
            peer, _ = await errors.take()
            await peer.send(reply)
            peer.close()
            await at.happens("error not told to")


@on_every_loop
async def test_a_bare_place_is_told_by_a_datagram() -> None:
    async with line() as at:
        lines = at.lines(Errors_To=at.errors_to.removeprefix("udp://"))
        await at.answered(answer(status=b"500 Oh"), *lines)
        assert (await at.error())["errorCode"] == "500"
        await at.happens("error told to")


# The end


@on_every_loop
async def test_the_end_waits_for_what_is_on_its_way() -> None:
    async with asyncio.TaskGroup() as group, line() as at:
        await promised(at)
        hop, _ = await at.next()
        # Its first step comes when this test waits: for the end.
        group.create_task(hop.send(OK), name="a late answer")
        assert at.happened() == []
    assert at.happened() == ["delivered"]


@on_every_loop
async def test_what_is_not_delivered_by_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "DRAIN_S", 0.05)
    async with line() as at:
        await promised(at)
        await at.next()
    assert at.happened() == ["failed", "error told to"]
    assert "has ended before" in str(at.bus.recent(HopReported)[-1].text)
