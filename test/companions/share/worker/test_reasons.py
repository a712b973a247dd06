"""The reasons of failed connections are the system's texts."""

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
def test_reason_is_the_text_of_the_system(error: Exception, words: str) -> None:
    assert reason_of(error) == words


def test_refused_connection_of_asyncio_has_the_system_text() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the text identifies the error
        asyncio.run(connect("127.0.0.1", free_port()))
    assert reason_of(caught.value) == "Connection refused"


async def connect(host: str, port: int) -> None:
    await asyncio.open_connection(host, port)
