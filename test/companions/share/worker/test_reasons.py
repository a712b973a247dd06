"""Reasons are the system's words."""

import asyncio
import errno
import socket

import pytest

from httpprocessproxy.companions.share.worker.reasons import reason_of
from test.ports import free_port


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
def test_errors_in_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words


def test_what_asyncio_raises() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one it is, the words tell
        asyncio.run(connect("127.0.0.1", free_port()))
    assert reason_of(caught.value) == "Connection refused"


async def connect(host: str, port: int) -> None:
    await asyncio.open_connection(host, port)
