"""A client that opens a request every 5 ms, from the save until a response is fresh."""

import asyncio
import enum
import time
from dataclasses import dataclass, field

from test.benchmark.service import HOST

INTERVAL_S = 0.005
LIMIT_S = 20.0


class Answer(enum.Enum):
    FRESH = "the new code answered"
    STALE = "the old code answered"
    FAILED = "no answer, or none that is whole"


@dataclass(slots=True)
class Visit:
    """The responses after a save; `fresh_s` is the time of the first fresh byte, if any."""

    marker: bytes
    fresh_s: float | None = None
    answers: list[Answer] = field(default_factory=list)

    def count(self, answer: Answer) -> int:
        return self.answers.count(answer)


async def visit(port: int, marker: str, saved: float) -> Visit:
    """Open requests until a response has `marker`, or 20 s are over.

    `saved` is the monotonic time just before the save. All requests are awaited.
    """
    seen = Visit(marker.encode())
    fresh = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        while not fresh.is_set() and time.monotonic() - saved < LIMIT_S:
            try:
                await asyncio.wait_for(fresh.wait(), INTERVAL_S)
            except TimeoutError:
                group.create_task(_request(port, seen, saved, fresh), name="request")
    return seen


async def _request(port: int, seen: Visit, saved: float, fresh: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            first_s, response = await _get(port, saved)
    except (OSError, TimeoutError):
        seen.answers.append(Answer.FAILED)
        return
    answer = judge(response, seen.marker)
    seen.answers.append(answer)
    if answer is Answer.FRESH:
        seen.fresh_s = first_s if seen.fresh_s is None else min(seen.fresh_s, first_s)
        fresh.set()


async def _get(port: int, saved: float) -> tuple[float, bytes]:
    """The seconds from the save to the first byte, and the whole response. Raises OSError."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        first = await reader.read(1)
        first_s = time.monotonic() - saved
        return first_s, first + await reader.read()
    finally:
        writer.close()


def judge(response: bytes, marker: bytes) -> Answer:
    if marker in response:
        return Answer.FRESH
    return Answer.STALE if b"version=" in response else Answer.FAILED
