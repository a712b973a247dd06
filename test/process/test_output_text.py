"""The backend's output as text: whole characters, bounded batches, no cost without subscribers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

from httpprocessproxy.process import OutputText
from httpprocessproxy.process.output_text import BATCH_BYTES
from test.deadline import PATIENCE_S

Text = list[tuple[str, str]]


class Subscriber:
    """A subscriber that records the published texts while `is_subscribed`."""

    def __init__(self) -> None:
        self.is_subscribed = True
        self.seen: Text = []
        self.arrived = asyncio.Event()
        self.output_text = OutputText(
            asyncio.get_running_loop(), lambda: self.is_subscribed, self._on_text
        )

    def _on_text(self, stream: str, text: str) -> None:
        self.seen.append((stream, text))
        self.arrived.set()

    async def wait_for(self, last: str) -> Text:
        """Wait until a text with this end was published, and return all texts."""
        while not self.seen or not self.seen[-1][1].endswith(last):
            self.arrived.clear()
            await self.arrived.wait()
        return self.seen


def run(test: Callable[[Subscriber], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test(Subscriber())

    asyncio.run(main())


def test_piece_is_published_soon() -> None:
    async def test(subscriber: Subscriber) -> None:
        await asyncio.to_thread(subscriber.output_text.take, "stdout", b"hello\n")
        assert await subscriber.wait_for("hello\n") == [("stdout", "hello\n")]
        await asyncio.to_thread(subscriber.output_text.take, "stderr", b"again\n")
        assert (await subscriber.wait_for("again\n"))[1:] == [("stderr", "again\n")]

    run(test)


def test_batch_keeps_order_and_joins_pieces_of_one_stream() -> None:
    async def test(subscriber: Subscriber) -> None:
        for stream, piece in [("stdout", b"1"), ("stdout", b"2"), ("stderr", b"3")]:
            subscriber.output_text.take(stream, piece)
        subscriber.output_text.flush()
        assert subscriber.seen == [("stdout", "12"), ("stderr", "3")]

    run(test)


def test_character_split_across_pieces_is_decoded() -> None:
    async def test(subscriber: Subscriber) -> None:
        text = "né€😀\n"
        for byte in text.encode():
            subscriber.output_text.take("stdout", bytes([byte]))
            subscriber.output_text.take("stderr", bytes([byte]))
            subscriber.output_text.flush()
        for name in ("stdout", "stderr"):
            assert "".join(shown for stream, shown in subscriber.seen if stream == name) == text

    run(test)


def test_invalid_utf8_becomes_replacement_character() -> None:
    async def test(subscriber: Subscriber) -> None:
        subscriber.output_text.take("stdout", b"\xff!\n")
        subscriber.output_text.flush()
        assert subscriber.seen == [("stdout", "\ufffd!\n")]

    run(test)


def test_output_without_subscribers_is_dropped() -> None:
    async def test(subscriber: Subscriber) -> None:
        subscriber.is_subscribed = False
        subscriber.output_text.take("stdout", b"unseen")
        subscriber.is_subscribed = True
        subscriber.output_text.flush()
        assert subscriber.seen == []

    run(test)


def test_flood_is_bounded_and_states_bytes_left_out() -> None:
    """100 MB reach the event loop in a few batches, each with a count of bytes left out."""
    piece = b"x" * 65535 + b"\n"
    pieces = 1600
    wakeups = 0

    async def test(subscriber: Subscriber) -> None:
        nonlocal wakeups
        loop = asyncio.get_running_loop()
        call_soon_threadsafe = loop.call_soon_threadsafe

        def counted(callback: Callable[[], None]) -> asyncio.Handle:
            nonlocal wakeups
            wakeups += 1
            return call_soon_threadsafe(callback)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign,assignment]

        def flood() -> None:
            for _ in range(pieces):
                subscriber.output_text.take("stdout", piece)
            subscriber.output_text.take("stdout", b"the end\n")

        thread = threading.Thread(target=flood)
        thread.start()
        await subscriber.wait_for("the end\n")
        thread.join()
        assert wakeups < 10
        assert all(len(text) <= BATCH_BYTES for _, text in subscriber.seen)
        marks = [text for _, text in subscriber.seen if "bytes left out]" in text]
        left_out = sum(int(mark.split()[0].strip("[").replace(",", "")) for mark in marks)
        shown = sum(len(text) for _, text in subscriber.seen if text not in marks)
        assert left_out + shown == pieces * len(piece) + len("the end\n")

    run(test)


def test_take_after_loop_closed_is_ignored() -> None:
    loop = asyncio.new_event_loop()
    output_text = OutputText(loop, lambda: True, lambda stream, text: None)
    loop.close()
    output_text.take("stdout", b"late")
