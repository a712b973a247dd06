"""An HTTP/3 frontend, alone or with the data plane behind it.

On exit every connection has to be closed.
"""

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import trustme
from aioquic.quic.configuration import QuicConfiguration

from httpprocessproxy.config import Address
from httpprocessproxy.core.http.ip import Network
from httpprocessproxy.frontends.http3.server import Http3, open_http3
from httpprocessproxy.frontends.streams import Handler, StreamReset
from httpprocessproxy.frontends.tls.certificates import Identity
from test.fakes import LOOPBACK, NO_OTHERS, Bench, OtherService
from test.frontends.fronts import handling
from test.frontends.http3_client import Http3Client, configuration, connected
from test.loops import eventually
from test.ports import free_port

CA: Final = trustme.CA()


def write_certificate(folder: Path, authority: trustme.CA = CA) -> None:
    """Write a certificate and its key to the files that `identity` loads."""
    leaf = authority.issue_cert("localhost", "127.0.0.1", "::1")
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))


def identity(folder: Path) -> Identity:
    return Identity(folder / "cert.pem", folder / "key.pem")


class Front:
    """A listening HTTP/3 frontend. With `fronting`, `bench` has the data plane and the backend."""

    def __init__(self, http3: Http3, port: int, identity: Identity) -> None:
        self.http3 = http3
        self.port = port
        self.identity = identity
        self.bench: Bench
        self._clients = contextlib.AsyncExitStack()

    @property
    def connections(self) -> int:
        return sum(len(endpoint.connections) for endpoint in self.http3.endpoints)

    async def client(
        self,
        config: QuicConfiguration | None = None,
        host: str = "127.0.0.1",
        *,
        stingy: bool = False,
        waits: bool = True,
    ) -> Http3Client:
        config = config or configuration(CA.cert_pem.bytes())
        client = connected(self.port, config, host, stingy=stingy, waits=waits)
        return await self._clients.enter_async_context(client)

    async def close_clients(self) -> None:
        await self._clients.aclose()

    async def assert_nothing_is_left(self) -> None:
        await eventually(lambda: self.connections == 0)
        for endpoint in self.http3.endpoints:
            assert not endpoint._by_id
            assert not endpoint._handshakes


@contextlib.asynccontextmanager
async def serving_http3(
    handler: Handler, host: str = "127.0.0.1", drain_s: float = 0.0
) -> AsyncIterator[Front]:
    """Serve HTTP/3 in front of `handler`."""
    with tempfile.TemporaryDirectory() as folder:
        write_certificate(Path(folder))
        who = identity(Path(folder))
        address = Address(host, free_port())
        async with open_http3(address, who, handler, drain_s=drain_s) as http3:
            front = Front(http3, address.port, who)
            try:
                yield front
                await front.close_clients()
                await front.assert_nothing_is_left()
            finally:
                await front.close_clients()


@contextlib.asynccontextmanager
async def fronting(
    *,
    trusted: Sequence[Network] = LOOPBACK,
    is_open: bool = True,
    others: Mapping[str, OtherService] = NO_OTHERS,
) -> AsyncIterator[Front]:
    """Serve HTTP/3 in front of the data plane and a fake backend."""
    async with (
        handling(trusted=trusted, is_open=is_open, others=others) as (bench, handler),
        serving_http3(handler) as front,
    ):
        front.bench = bench
        yield front


RESETS: Final = {
    StreamReset.CANCELLED: 0x10C,
    StreamReset.INTERNAL: 0x102,
    StreamReset.REFUSED: 0x10B,
}
