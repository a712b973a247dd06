"""Pipes: the order of pieces, the window, the end and the cut."""

import asyncio
from collections.abc import Coroutine

import pytest

from httpprocessproxy.companions.share.relay.pipe import (
    BytesSource,
    CutError,
    Pipe,
    PipeFullError,
    pour,
    whole,
)
from test.loops import on_every_loop, run, turn


def forget(size_bytes: int) -> None:
    """Ignore the size of a piece."""


def test_pieces_arrive_in_order_followed_by_the_end() -> None:
    async def main() -> None:
        pipe = Pipe()
        for piece in (b"one", b"two"):
            await pipe.send(piece)
        pipe.end()
        received = [await pipe.receive() for _ in range(4)]
        assert received == [b"one", b"two", b"", b""]

    run(main())


@on_every_loop
async def test_sender_waits_while_the_window_is_full() -> None:
    pipe = Pipe(window_bytes=4)
    await pipe.send(b"12345")
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(pipe.send(b"6"), name="send")
        await turn()
        assert not sending.done()
        assert await pipe.receive() == b"12345"
        await sending
    assert await pipe.receive() == b"6"


@on_every_loop
async def test_receiver_waits_for_a_piece_and_reports_its_size() -> None:
    pipe = Pipe()
    taken: list[int] = []
    pipe.on_received = taken.append
    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(pipe.receive(), name="receive")
        await turn()
        await pipe.send(b"123")
        assert await receiving == b"123"
    assert taken == [3]


@on_every_loop
async def test_cut_wakes_both_ends_with_its_reason() -> None:
    pipe = Pipe(window_bytes=1)
    await pipe.send(b"1")
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_fails(pipe.send(b"2")), name="send")
        await turn()
        pipe.cut("gone")
        pipe.cut("again")
        assert await sending == "gone"
    assert await _fails(pipe.receive()) == "gone"
    pipe.put(b"late")
    assert await _fails(pipe.receive()) == "gone"


@on_every_loop
async def test_cut_after_the_end_has_no_effect() -> None:
    pipe = Pipe()
    pipe.end()
    pipe.cut("gone")
    assert await pipe.receive() == b""


async def _fails(doing: Coroutine[None, None, object]) -> str:
    with pytest.raises(CutError) as raised:
        await doing
    return str(raised.value)


@pytest.mark.parametrize("size_bytes", [0, 1, 65_536, 65_537, 200_000])
def test_bytes_source_is_read_in_pieces_and_joined(size_bytes: int) -> None:
    async def main() -> None:
        data = bytes(range(256)) * (size_bytes // 256 + 1)
        kept: list[int] = []
        assert (
            await whole(BytesSource(data[:size_bytes]), size_bytes, kept.append)
            == data[:size_bytes]
        )
        assert sum(kept) == size_bytes
        assert max(kept, default=0) <= 65_536

    run(main())


def test_source_beyond_the_limit_raises_pipe_full_error() -> None:
    async def main() -> None:
        with pytest.raises(PipeFullError):
            await whole(BytesSource(b"x" * 100_000), 99_999, forget)

    run(main())


def test_pour_forwards_the_end_and_the_cut() -> None:
    async def main() -> None:
        source, sink = Pipe(), Pipe()
        source.put(b"1")
        source.end()
        await pour(source, sink)
        assert await whole(sink, 10, forget) == b"1"
        source, sink = Pipe(), Pipe()
        source.cut("gone")
        with pytest.raises(CutError):
            await pour(source, sink)
        assert await _fails(sink.receive()) == "gone"

    run(main())
