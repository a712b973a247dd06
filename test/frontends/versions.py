"""HTTP/2 over TLS and HTTP/3 behind one interface, for tests of their common behaviour."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import pytest
from aioquic.h3.connection import ErrorCode
from h2.errors import ErrorCodes

from httpprocessproxy.core.http.ip import Network
from test.fakes import LOOPBACK, NO_OTHERS, Bench, OtherService
from test.frontends import fronts, http3_fronts
from test.frontends.http2_client import GET, Answer, Fields

MIB = 2**20


class Client(Protocol):
    """The common methods of Http2Client and Http3Client, which document them."""

    keeps_bodies: bool

    async def ask(self, fields: Fields = GET, body: bytes | None = b"") -> int: ...

    async def upload(self, stream_id: int, body: bytes, *, end: bool = False) -> None: ...

    async def end(self, stream_id: int, trailers: Fields) -> None: ...

    async def cancel(self, stream_id: int) -> None: ...

    async def fetch(self, fields: Fields = GET, body: bytes = b"") -> Answer: ...

    async def answer(self, stream_id: int) -> Answer: ...

    async def head(self, stream_id: int) -> Answer: ...

    async def body(self, stream_id: int, size_bytes: int) -> bytes: ...

    async def was_reset(self, stream_id: int) -> int | None: ...


class Front(Protocol):
    """A listening frontend of one version."""

    bench: Bench

    async def client(self) -> Client: ...


class Fronting(Protocol):
    def __call__(
        self,
        *,
        trusted: Sequence[Network] = LOOPBACK,
        is_open: bool = True,
        others: Mapping[str, OtherService] = NO_OTHERS,
    ) -> AbstractAsyncContextManager[Front]:
        """Serve the version in front of the data plane and a fake backend."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One HTTP version. `via` begins its Via element; `large_mib` is the size of a large body."""

    via: bytes
    internal_error: int
    large_mib: int
    fronting: Fronting

    @contextlib.asynccontextmanager
    async def client(
        self,
        *,
        trusted: Sequence[Network] = LOOPBACK,
        is_open: bool = True,
        others: Mapping[str, OtherService] = NO_OTHERS,
    ) -> AsyncIterator[tuple[Client, Bench]]:
        """Connect a client, and return it with the bench behind the frontend."""
        async with self.fronting(trusted=trusted, is_open=is_open, others=others) as front:
            yield await front.client(), front.bench


class _Http2Front:
    """A frontend whose clients use TLS and windows like Chrome's."""

    def __init__(self, front: fronts.Front) -> None:
        self.bench = front.bench
        self._front = front

    async def client(self) -> Client:
        client = await self._front.client(8 * MIB, tls=True)
        client.state.increment_flow_control_window(8 * MIB)
        return client


@contextlib.asynccontextmanager
async def _http2(
    *,
    trusted: Sequence[Network] = LOOPBACK,
    is_open: bool = True,
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[Front]:
    serving = fronts.fronting(tls=True, trusted=trusted, is_open=is_open, others=others)
    async with serving as front:
        yield _Http2Front(front)


HTTP2 = Version(b"2 ", ErrorCodes.INTERNAL_ERROR, 50, _http2)
HTTP3 = Version(b"3 ", ErrorCode.H3_INTERNAL_ERROR, 2, http3_fronts.fronting)

every_version = pytest.mark.parametrize("version", [HTTP2, HTTP3], ids=["HTTP/2", "HTTP/3"])
