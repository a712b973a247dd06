"""The common memory budget of captured responses: its bound, and the release of bytes."""

import contextlib
import re
import socket
from pathlib import Path
from typing import Final

import pytest

from httpprocessproxy.companions.chains import deliveries
from httpprocessproxy.companions.chains.companion import ChainOptions
from test.companions.chains.benches import Line, answer, line
from test.companions.chains.programs import pipeline
from test.deadline import PATIENCE_S, eventually
from test.fakes import OK, Listener, Peer
from test.harness import Proxy
from test.loops import on_every_loop
from test.wire import Wire

MIB: Final = 1024 * 1024
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
OTHER: Final = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
THIRD: Final = "1b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"


async def begun(at: Line, said: bytes, chain: str) -> tuple[Peer, Peer]:
    """Send a request that the backend answers with these bytes; return client and backend."""
    at.id = chain
    client = await at.ask()
    backend, _ = await at.bench.backend.take()
    await backend.send(said)
    return client, backend


@on_every_loop
async def test_partial_response_counts_and_gets_503_beyond_the_budget() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "MAX_KEPT_BYTES", 15)
        async with line() as at:
            first, backend = await begun(at, answer(body=b"x" * 9), at.id)
            assert (await first.response()).status == 202
            second, backend = await begun(at, HEAD + b"x" * 6, OTHER)
            third, other = await begun(at, HEAD + b"y", THIRD)
            response = await third.response()
            assert (response.status, response.get(b"Retry-After")) == (503, b"1")
            assert response.body == b"too much waits to go on\n"
            await other.assert_reset()
            assert (await at.error())["id"] == THIRD
            # The bytes captured before are complete, and the budget has room for the rest.
            hop, _ = await at.next()
            await hop.send(OK)
            await at.happens("error sent to", "delivered")
            await backend.send(b"x" * 4)
            assert (await second.response()).status == 202
            hop, seen = await at.next()
            assert seen.body == b"x" * 10
            await hop.send(OK)
            await at.happens("error sent to", "delivered", "delivered")


@pytest.mark.parametrize("end", ["the client leaves", "the backend hangs up", "it is too long"])
@on_every_loop
async def test_memory_of_an_undelivered_response_is_released(end: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "MAX_KEPT_BYTES", 9)
        patch.setattr("httpprocessproxy.companions.chains.exchange.MAX_BODY_BYTES", 9)
        async with line() as at:
            said = HEAD + b"x" * (10 if "long" in end else 9)
            client, backend = await begun(at, said, OTHER)
            if "leaves" in end:
                client.reset()
            elif "hangs" in end:
                backend.close()
            assert (await at.error())["id"] == OTHER
            await at.happens("error sent to")
            assert (await at.answered(answer(body=b"y" * 9), *at.lines(Id=THIRD))).response.status
            hop, seen = await at.next()
            assert seen.body == b"y" * 9
            await hop.send(OK)
            await at.happens("error sent to", "delivered")


@on_every_loop
async def test_error_response_beyond_the_budget_is_passed_on_whole_and_reported_empty() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deliveries, "MAX_KEPT_BYTES", 4)
        async with line() as at:
            asked = await at.answered(answer(status=b"500 Oh", body=b"sorry"))
            assert (asked.response.status, asked.response.body) == (500, b"sorry")
            told = await at.error()
            assert (told["errorCode"], told["responseText"]) == ("500", "")
            await at.happens("error sent to")


@on_every_loop
async def test_place_is_taken_until_the_error_report_is_sent() -> None:
    with contextlib.closing(Listener()) as errors:
        to = f"http://127.0.0.1:{errors.port}"
        async with line(ChainOptions(allowed=(to,), places=1)) as at:
            await at.answered(answer(), *at.lines(Errors_To=to))
            hop, _ = await at.next()
            await hop.send(answer(status=b"500 Oh"))
            listening, _ = await errors.take()
            assert (await (await at.ask(*at.lines(Id=OTHER))).response()).status == 503
            await listening.send(OK)
            await at.happens("failed", "refused", "error sent to")
            assert (await at.answered(answer(), *at.lines(Id=THIRD))).response.status == 202
            await (await at.next())[0].send(OK)
            await at.happens("failed", "refused", "error sent to", "delivered")


def peak_bytes(proxy: Proxy) -> int:
    """The peak resident memory of the proxy's process, without its backend's."""
    pids = [pid for pid, command in proxy.left_over().items() if "-m httpprocessproxy" in command]
    statuses = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return max(int(peak) for peak in re.findall(r"VmHWM:\s*(\d+) kB", "".join(statuses))) * 1024


def receive(hop: socket.socket, count: int) -> None:
    """Accept `count` requests at the hop, and answer each with 200."""
    for _ in range(count):
        with Wire(hop.accept()[0]) as wire:
            wire.request()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_memory_of_the_program_is_bounded_while_a_hop_does_not_read(tmp_path: Path) -> None:
    """Forty responses of 4 MiB for a hop that does not read; without a bound, 160 MiB are kept."""
    with socket.create_server(("127.0.0.1", 0)) as hop:
        hop.settimeout(PATIENCE_S)
        url = f"http://127.0.0.1:{hop.getsockname()[1]}"
        with pipeline(tmp_path, 1, "--forward-allow", url) as made:
            (first,) = made.proxies
            before = peak_bytes(first)
            target = f"/download?bytes={4 * MIB}"
            statuses = [made.send(target, url)[1].status for _ in range(40)]
            assert statuses == [202] * 16 + [503] * 24
            receive(hop, 16)
            eventually(lambda: first.output.count(" delivered POST ") == 16)
            assert peak_bytes(first) - before < 80 * MIB
            chain, response = made.send(target, url)
            assert response.status == 202
            receive(hop, 1)
            first.wait_output(f"hop {chain} delivered")
