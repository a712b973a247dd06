"""One end of a link over a fake wire: credit, order, the outbox, and loss."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import CutError
from httpprocessproxy.companions.share.stream.channel import StreamChannel
from httpprocessproxy.companions.share.stream.frames import (
    WINDOW_BYTES,
    AnswerFrame,
    CreditFrame,
    DataFrame,
    EndFrame,
    FrameError,
    ReadyFrame,
    ResetFrame,
    VisitFrame,
    decode,
    encode,
    pack,
    unpack,
)
from httpprocessproxy.companions.share.stream.link import OUTBOX_BYTES, Link, LinkLostError
from test.deadline import PATIENCE_S

HEAD = VisitHead("id", "GET", "/", "", [])


class FakeWire:
    """A wire whose messages the test reads and writes; `send` waits until `flows` is set."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.received: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.messages = 0
        self.flows = asyncio.Event()
        self.flows.set()

    async def send(self, message: bytes) -> None:
        await self.flows.wait()
        self.messages += 1
        for frame in unpack(message):
            self.sent.put_nowait(frame)

    async def receive(self) -> bytes:
        message = await self.received.get()
        if message is None:
            raise LinkLostError("gone")
        return pack([message])


class End1:
    """The end under test."""

    def __init__(self) -> None:
        self.wire = FakeWire()
        self.opened: list[ReadyFrame | VisitFrame] = []
        self.link = Link(self.wire, self.opened.append)


@asynccontextmanager
async def running() -> AsyncIterator[End1]:
    end = End1()
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_run(end.link), name="link")
        yield end
        end.wire.received.put_nowait(None)
        assert isinstance(await task, LinkLostError)


async def _run(link: Link) -> Exception:
    try:
        await link.run()
    except (LinkLostError, FrameError) as error:
        return error
    raise AssertionError("a link ends by an error")


async def settle() -> None:
    """Run the event loop until all tasks wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_body_waits_for_credit() -> None:
    async def main() -> None:
        async with running() as end, asyncio.TaskGroup() as tasks:
            channel = end.link.open(1)
            big = b"x" * (WINDOW_BYTES + 10)
            sending = tasks.create_task(channel.send(big), name="send")
            sent = 0
            while sent < WINDOW_BYTES:
                frame = decode(await end.wire.sent.get())
                assert isinstance(frame, DataFrame)
                sent += len(frame.piece)
            await settle()
            assert (sent, end.wire.sent.empty(), sending.done()) == (WINDOW_BYTES, True, False)
            end.wire.received.put_nowait(encode(CreditFrame(1, 10)))
            assert decode(await end.wire.sent.get()) == DataFrame(1, b"x" * 10)
            await sending

    asyncio.run(main())


def test_credit_is_sent_only_for_received_bytes() -> None:
    async def main() -> None:
        async with running() as end:
            channel = end.link.open(1)
            for _ in range(16):
                end.wire.received.put_nowait(encode(DataFrame(1, b"x" * 65536)))
            await settle()
            assert end.wire.sent.empty()
            got = 0
            while got < WINDOW_BYTES // 4:
                got += len(await channel.receive())
            assert decode(await end.wire.sent.get()) == CreditFrame(1, WINDOW_BYTES // 4)

    asyncio.run(main())


def test_data_beyond_the_credit_ends_the_link() -> None:
    async def main() -> Exception:
        end = End1()
        end.link.open(1)
        for _ in range(17):
            end.wire.received.put_nowait(encode(DataFrame(1, b"x" * 65536)))
        async with asyncio.timeout(PATIENCE_S):
            return await _run(end.link)

    assert isinstance(asyncio.run(main()), FrameError)


def test_slow_link_queues_no_more_than_the_outbox() -> None:
    async def main() -> None:
        async with running() as end, asyncio.TaskGroup() as tasks:
            end.wire.flows.clear()
            channels = [end.link.open(number) for number in range(1, 101)]
            sends = [
                tasks.create_task(channel.send(b"x" * 65536), name="send") for channel in channels
            ]
            await settle()
            done = sum(send.done() for send in sends)
            assert done <= OUTBOX_BYTES // 65536 + 1
            end.wire.flows.set()

    asyncio.run(main())


def test_channel_is_over_when_both_bodies_have_ended() -> None:
    async def main() -> None:
        async with running() as end:
            channel = end.link.open(1)
            end.wire.received.put_nowait(encode(DataFrame(1, b"last")))
            end.wire.received.put_nowait(encode(EndFrame(1)))
            assert (await channel.receive(), await channel.receive()) == (b"last", b"")
            await channel.send(b"still")
            channel.end()
            assert await channel.over() is None
            sent = [decode(await end.wire.sent.get()) for _ in range(2)]
            assert sent == [DataFrame(1, b"still"), EndFrame(1)]

    asyncio.run(main())


def test_reset_ends_both_bodies_without_a_reply() -> None:
    async def main() -> None:
        async with running() as end:
            channel = end.link.open(1)
            end.wire.received.put_nowait(encode(ResetFrame(1, "the visitor has left")))
            assert await channel.over() == "the visitor has left"
            for doing in (channel.receive(), channel.send(b"x")):
                with pytest.raises(CutError, match="the visitor has left"):
                    await doing
            channel.cut("again")
            await settle()
            assert end.wire.sent.empty()

    asyncio.run(main())


def test_frames_after_the_end_of_their_channel_are_dropped() -> None:
    async def main() -> None:
        async with running() as end:
            end.link.open(1).cut("enough")
            for frame in (
                DataFrame(1, b"x"),
                CreditFrame(1, 1),
                EndFrame(1),
                AnswerFrame(1, AnswerHead(200, [])),
            ):
                end.wire.received.put_nowait(encode(frame))
            end.wire.received.put_nowait(encode(ReadyFrame(3)))
            await settle()
            assert end.opened == [ReadyFrame(3)]

    asyncio.run(main())


def test_lost_link_reports_unwritten_frames_and_cuts_channels() -> None:
    async def main() -> tuple[bool, bool, str | None, bool]:
        end = End1()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(_run(end.link), name="link")
            first = end.link.open(1)
            written = await end.link.deliver(VisitFrame(1, HEAD, False))
            end.wire.flows.clear()
            second = tasks.create_task(end.link.deliver(VisitFrame(2, HEAD, False)), name="deliver")
            await settle()
            end.wire.received.put_nowait(None)
            await running
            late = await end.link.deliver(VisitFrame(3, HEAD, False))
            assert end.link.open(4).answer.cancelled()
            return written, await second, await first.over(), late

    written, second, reason, late = asyncio.run(main())
    assert (written, second, late) == (True, False, False)
    assert reason is not None
    assert "lost" in reason


def test_frames_queued_with_a_delivered_frame_are_in_its_message() -> None:
    async def main() -> None:
        async with running() as end:
            channel = end.link.open(1)
            assert await end.link.deliver(VisitFrame(1, HEAD, False), channel.end)
            sent = [decode(await end.wire.sent.get()) for _ in range(2)]
            assert (sent, end.wire.messages) == ([VisitFrame(1, HEAD, False), EndFrame(1)], 1)

    asyncio.run(main())


def test_second_answer_ends_the_link() -> None:
    async def main() -> tuple[Exception, StreamChannel]:
        end = End1()
        channel = end.link.open(1)
        for _ in range(2):
            end.wire.received.put_nowait(encode(AnswerFrame(1, AnswerHead(200, []))))
        async with asyncio.timeout(PATIENCE_S):
            return await _run(end.link), channel

    error, channel = asyncio.run(main())
    assert isinstance(error, FrameError)
    assert channel.answer.result().status == 200
