"""The diagnosis of a server that does not answer: its messages, with real sockets and processes."""

import asyncio
import contextlib
import itertools
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.silence import Silence
from httpprocessproxy.process import InheritedSocket
from httpprocessproxy.service import diagnosis
from httpprocessproxy.service.diagnosis import (
    FIRST_LOOKS_S,
    LATER_LOOKS_S,
    diagnose,
    elsewhere,
    last_line,
    looks,
    silent,
    watch_for_silence,
)
from test.children import NO_SUCH_PID
from test.fakes import Listener, Peer
from test.loops import on_every_loop
from test.ports import free_port
from test.process.generations import TREE
from test.tls import make_pair

# Listens on a port of its own, which it prints.
LISTENS = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextlib.asynccontextmanager
async def listening_child(*descriptors: int) -> AsyncIterator[tuple[int, int]]:
    """Run a process that listens and holds `descriptors`; yield its pid and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-S", "-c", LISTENS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
    )
    assert process.stdout is not None
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def diagnosed(
    address: Address,
    pid: int = NO_SUCH_PID,
    inherited: InheritedSocket | None = None,
    output: bytes = b"",
) -> str:
    return await diagnose(address, TREE, pid, inherited, lambda: output)


Answer = Callable[[bytes], bytes]


async def answer_hellos(listener: Listener, answer: Answer, *, abruptly: bool) -> None:
    """Send `answer(hello)` for each ClientHello, then close; ignore connections without one."""
    while True:
        peer = await listener.accept()
        if await peer.more():
            assert peer.unread.startswith(b"\x16\x03"), "a TLS handshake record"
            await peer.send(answer(peer.unread))
        peer.reset() if abruptly else peer.close()


async def diagnosed_by_answer(answer: Answer, *, abruptly: bool = False) -> str:
    """Diagnose a listener that sends this answer to a ClientHello."""
    with closing(Listener()) as listener:
        async with asyncio.TaskGroup() as group:
            work = answer_hellos(listener, answer, abruptly=abruptly)
            answering = group.create_task(work, name="listener")
            why = await diagnosed(Address("127.0.0.1", listener.port))
            answering.cancel()
    return why


def server_hello(folder: Path, hello: bytes) -> bytes:
    """The records that a TLS server sends after a ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_pair(folder))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):  # its handshake waits for the client's Finished
        server.do_handshake()
    return outgoing.read()


@on_every_loop
async def test_tls_server_is_reported(tmp_path: Path) -> None:
    why = await diagnosed_by_answer(lambda hello: server_hello(tmp_path, hello))
    assert "speaks TLS" in why
    assert "--tls" in why


@on_every_loop
async def test_alert_of_a_tls_server_is_recognized() -> None:
    why = await diagnosed_by_answer(lambda _: b"\x15\x03\x03\x00\x02\x02\x28")
    assert "speaks TLS" in why


@pytest.mark.parametrize(
    ("answer", "abruptly"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", False), (b"", False), (b"", True)],
    ids=["other protocol", "close", "reset"],
)
@on_every_loop
async def test_listener_without_tls_is_reported_as_not_answering(
    answer: bytes, abruptly: bool
) -> None:
    why = await diagnosed_by_answer(lambda _: answer, abruptly=abruptly)
    assert "accepts connections, but does not answer an HTTP request yet" in why
    assert "--ping-path" in why


@on_every_loop
async def test_listener_that_answers_nothing_is_given_up_after_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diagnosis, "_TLS_TIMEOUT_S", 0.02)
    with closing(Listener()) as listener:
        why = await diagnosed(Address("127.0.0.1", listener.port))
    assert "accepts connections, but does not answer" in why


@on_every_loop
async def test_server_that_listens_elsewhere_is_reported_with_its_port() -> None:
    address = Address("127.0.0.1", free_port())
    async with listening_child() as (pid, port):
        assert await diagnosed(address, pid) == (
            f"the server listens at 127.0.0.1:{port}, not at {address}: use {port} as BACKEND, "
            "or tell the server its port (PORT, or {port} in the command)"
        )


@on_every_loop
async def test_port_of_the_node_inspector_is_not_the_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening_child() as (pid, port):
        monkeypatch.setattr(diagnosis, "NODE_INSPECTOR_PORT", port)
        why = await diagnosed(Address("127.0.0.1", free_port()), pid)
    assert why == "the server does not listen yet"


@on_every_loop
async def test_server_without_a_listener_is_reported_with_its_last_output() -> None:
    address = Address("127.0.0.1", free_port())
    assert await diagnosed(address) == "the server does not listen yet"
    why = await diagnosed(address, output=b"importing\nloading the model\n")
    assert why == "the server does not listen yet, its last output: loading the model"


@on_every_loop
async def test_unused_inherited_socket_is_reported() -> None:
    with closing(InheritedSocket(Address("127.0.0.1", 0))) as inherited:
        place = inherited.address
        peer = await Peer.connect((place.host, place.port))  # the readiness probe's
        async with listening_child(inherited.fd) as (pid, port):
            why = await diagnosed(place, pid, inherited)
        assert why == (
            f"the server listens at 127.0.0.1:{port}, not on the socket that it inherits (--socket)"
        )
        why = await diagnosed(place, NO_SUCH_PID, inherited, b"loading\n")
        assert why == "the server does not accept connections yet, its last output: loading"
        peer.close()


def test_diagnoses_follow_at_growing_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def first_four() -> list[float]:
        due = []
        async for passed_s in looks():
            due.append(passed_s)
            if len(due) == 4:
                break
        return due

    monkeypatch.setattr(asyncio, "sleep", sleep)
    first, second = FIRST_LOOKS_S
    due = [first, second, second + LATER_LOOKS_S, second + 2 * LATER_LOOKS_S]
    assert asyncio.run(first_four()) == due
    assert list(itertools.accumulate(slept)) == due


@pytest.mark.parametrize(
    ("place", "advice"),
    [
        (Address("0.0.0.0", 3000), "use 3000 as BACKEND"),
        (Address("::", 3000), "use 3000 as BACKEND"),
        (Address("192.0.2.1", 3000), "use 192.0.2.1:3000 as BACKEND"),
        (Address("::1", 8001), "use [::1]:8001 as BACKEND"),
    ],
)
def test_advice_names_an_address_valid_as_backend(place: Address, advice: str) -> None:
    assert advice in elsewhere(Address("127.0.0.1", 8001), [place], is_inherited=False)


def test_last_line_is_plain_not_blank_and_cut() -> None:
    assert last_line(b"one\n\n  two  \n\n") == "two"
    assert last_line(b"\x1b[31mred\x1b[0m") == "red"
    assert last_line(b"") == ""
    assert len(last_line(b"x" * 1000)) < 200


# A server that has stopped answering


class Looks:
    """The silence at each look, and whether the server answers a ping."""

    def __init__(self, *silences: float | None, answers: bool = False) -> None:
        self.said: list[str] = []
        self.asked = 0
        self._answers = answers
        self._silences = iter(silences)
        self._present: Silence | None = None

    def __call__(self) -> Silence | None:
        return self._present

    async def answer(self) -> bool:
        self.asked += 1
        return self._answers

    async def all(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Watch all silences; return the reports."""

        async def sleep(_: float) -> None:
            lasted_s = next(self._silences)
            self._present = None if lasted_s is None else Silence(2, lasted_s)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        with pytest.raises(RuntimeError):  # StopIteration in a coroutine: the silences are used up
            await watch_for_silence(self, self.answer, self.said.append)
        return self.said


@pytest.mark.parametrize(
    ("silences", "times"),
    [
        ((0.0, 5.0, 29.0, None), 0),
        ((0.0, 30.0), 1),
        ((30.0, 35.0, 300.0), 1),
        ((30.0, None, 65.0), 1),
        ((30.0, 0.0, 29.0, 31.0), 2),
    ],
    ids=["short", "long", "said once", "clients that leave", "two silences"],
)
def test_each_silence_of_the_server_is_reported_once(
    silences: tuple[float | None, ...], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = asyncio.run(Looks(*silences).all(monkeypatch))
    assert len(said) == times
    assert all("answered nothing for 3" in text and "2 requests wait" in text for text in said)


def test_server_that_answers_pings_is_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = Looks(30.0, 35.0, 59.0, 60.0, 119.0, 120.0, 123.0, answers=True)
    assert asyncio.run(looks.all(monkeypatch)) == []
    assert looks.asked == 3  # after 30, 60 and 120 s


class LeavingLooks(Looks):
    """The client that waits gives up while the server is pinged."""

    async def answer(self) -> bool:
        self._present = None
        return await super().answer()


def test_silence_that_ends_during_a_ping_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = LeavingLooks(30.0, 35.0)
    assert asyncio.run(looks.all(monkeypatch)) == []
    assert looks.asked == 2


def test_single_waiting_request_is_reported_in_the_singular() -> None:
    assert "(1 request waits)" in silent(Silence(1, 30.2))
