"""Reports of the relay's status, the back-off between calls, and reasons of failures."""

import asyncio
import errno
import socket

import pytest

from httpprocessproxy.companions.share.worker.relay_status import (
    FIRST_S,
    LONGEST_S,
    Backoff,
    RelayStatus,
    reason_of,
)
from httpprocessproxy.companions.share.worker.settings import Reporter
from test.ports import free_port


def test_each_change_is_reported_once() -> None:
    reports: list[str] = []
    relay_status = RelayStatus(
        "r.test", Reporter(reports.append, reports.append, lambda record: None)
    )
    for _ in range(3):
        relay_status.connected("streaming")
    for _ in range(3):
        relay_status.lost("timeout")
    for _ in range(3):
        relay_status.connected("by long polling")
    relay_status.connected("streaming")
    assert reports == [
        "share: connected, streaming",
        "share: the relay r.test does not answer (timeout); trying again",
        "share: the relay r.test is back, by long polling",
        "share: connected, streaming",
    ]


def test_wait_doubles_up_to_the_longest_and_restarts_after_success() -> None:
    backoff = Backoff()
    for _ in range(2):
        waits = [backoff.failed() for _ in range(5000)]
        for number, wait_s in enumerate(waits):
            full_s = min(LONGEST_S, FIRST_S * 2 ** min(number, 20))
            assert full_s / 2 <= wait_s <= full_s
        backoff.succeeded()


def test_waits_of_workers_differ() -> None:
    assert len({Backoff().failed() for _ in range(100)}) > 90


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused"),
        (TimeoutError(), "no answer in time"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "Connection timed out"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 111] b"), "b"),
        (EOFError(), "EOFError"),
    ],
)
def test_reason_is_the_text_of_the_system(error: Exception, words: str) -> None:
    assert reason_of(error) == words


def test_refused_connection_of_asyncio_has_the_system_text() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the text identifies the error
        asyncio.run(connect("127.0.0.1", free_port()))
    assert reason_of(caught.value) == "Connection refused"


async def connect(host: str, port: int) -> None:
    await asyncio.open_connection(host, port)
