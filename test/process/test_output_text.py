"""The backend's output for those who look on: whole characters, bounded, and no cost to it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

from httpprocessproxy.process import OutputText
from httpprocessproxy.process.output_text import BATCH_BYTES
from test.deadline import PATIENCE_S

Text = list[tuple[str, str]]


class Onlooker:
    """Somebody who looks on, or not."""

    def __init__(self) -> None:
        self.is_there = True
        self.seen: Text = []
        self.news = asyncio.Event()
        self.mirror = OutputText(asyncio.get_running_loop(), lambda: self.is_there, self._see)

    def _see(self, stream: str, text: str) -> None:
        self.seen.append((stream, text))
        self.news.set()

    async def see(self, last: str) -> Text:
        """Wait until this was seen, and return all."""
        while not self.seen or not self.seen[-1][1].endswith(last):
            self.news.clear()
            await self.news.wait()
        return self.seen


def run(test: Callable[[Onlooker], Coroutine[None, None, None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test(Onlooker())

    asyncio.run(main())


def test_a_piece_is_shown_soon() -> None:
    async def test(onlooker: Onlooker) -> None:
        await asyncio.to_thread(onlooker.mirror.take, "stdout", b"hello\n")
        assert await onlooker.see("hello\n") == [("stdout", "hello\n")]
        await asyncio.to_thread(onlooker.mirror.take, "stderr", b"again\n")
        assert (await onlooker.see("again\n"))[1:] == [("stderr", "again\n")]

    run(test)


def test_a_batch_keeps_the_order_and_joins_what_is_of_one_stream() -> None:
    async def test(onlooker: Onlooker) -> None:
        for stream, piece in [("stdout", b"1"), ("stdout", b"2"), ("stderr", b"3")]:
            onlooker.mirror.take(stream, piece)
        onlooker.mirror.flush()
        assert onlooker.seen == [("stdout", "12"), ("stderr", "3")]

    run(test)


def test_a_character_stays_whole_wherever_it_is_cut() -> None:
    async def test(onlooker: Onlooker) -> None:
        text = "né€😀\n"
        for byte in text.encode():
            onlooker.mirror.take("stdout", bytes([byte]))
            onlooker.mirror.take("stderr", bytes([byte]))
            onlooker.mirror.flush()
        for name in ("stdout", "stderr"):
            assert "".join(shown for stream, shown in onlooker.seen if stream == name) == text

    run(test)


def test_what_is_no_utf_8_is_shown_as_that() -> None:
    async def test(onlooker: Onlooker) -> None:
        onlooker.mirror.take("stdout", b"\xff!\n")
        onlooker.mirror.flush()
        assert onlooker.seen == [("stdout", "\ufffd!\n")]

    run(test)


def test_nothing_is_kept_while_nobody_looks_on() -> None:
    async def test(onlooker: Onlooker) -> None:
        onlooker.is_there = False
        onlooker.mirror.take("stdout", b"unseen")
        onlooker.is_there = True
        onlooker.mirror.flush()
        assert onlooker.seen == []

    run(test)


def test_a_flood_is_bounded_and_says_what_is_left_out() -> None:
    """The loop hears of 100 MB in a few batches, each of one mark and the end of the flood."""
    piece = b"x" * 65535 + b"\n"
    pieces = 1600
    wakeups = 0

    async def test(onlooker: Onlooker) -> None:
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
                onlooker.mirror.take("stdout", piece)
            onlooker.mirror.take("stdout", b"the end\n")

        thread = threading.Thread(target=flood)
        thread.start()
        await onlooker.see("the end\n")
        thread.join()
        assert wakeups < 10
        assert all(len(text) <= BATCH_BYTES for _, text in onlooker.seen)
        marks = [text for _, text in onlooker.seen if "bytes left out]" in text]
        left_out = sum(int(mark.split()[0].strip("[").replace(",", "")) for mark in marks)
        shown = sum(len(text) for _, text in onlooker.seen if text not in marks)
        assert left_out + shown == pieces * len(piece) + len("the end\n")

    run(test)


def test_a_thread_may_outlive_the_loop() -> None:
    loop = asyncio.new_event_loop()
    mirror = OutputText(loop, lambda: True, lambda stream, text: None)
    loop.close()
    mirror.take("stdout", b"late")
