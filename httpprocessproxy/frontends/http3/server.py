"""HTTP/3 server (RFC 9114): QUIC over UDP, with the same port number as the TCP listener.

aioquic implements the TLS 1.3 of QUIC. 0-RTT is disabled: the server issues no session tickets.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Final

from aioquic.h3.connection import H3_ALPN, ErrorCode
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion

from httpprocessproxy.config import Address
from httpprocessproxy.frontends.http3.connection import Http3Connection
from httpprocessproxy.frontends.http3.quic import Endpoint
from httpprocessproxy.frontends.http3.quic_state import CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES
from httpprocessproxy.frontends.http3.udp import bind_udp
from httpprocessproxy.frontends.streams import Handler
from httpprocessproxy.frontends.tls.certificates import Identity

IDLE_TIMEOUT_S: Final = 60.0
DRAIN_S: Final = 2.0
ALT_SVC_MA_S: Final = 3600


class Http3:
    """A running HTTP/3 server. `alt_svc` is the value of Alt-Svc that announces it."""

    def __init__(self, endpoints: Sequence[Endpoint], alt_svc: bytes) -> None:
        self.endpoints = endpoints
        self.alt_svc: bytes | None = alt_svc


@contextlib.asynccontextmanager
async def open_http3(
    address: Address,
    identity: Identity,
    handler: Handler,
    *,
    alt_svc_port: int | None = None,
    alt_svc_ma_s: int = ALT_SVC_MA_S,
    drain_s: float = DRAIN_S,
) -> AsyncIterator[Http3]:
    """Serve HTTP/3 on every host of `address`, with the port of TCP, until the context is left.

    Open requests then have `drain_s` seconds to complete. `alt_svc_port` is the port that clients
    connect to, if it differs. Raises UserError if the UDP port cannot be bound.
    """
    configuration = _configuration()
    _load(configuration, identity)
    identity.on_reload(lambda: _load(configuration, identity))
    endpoints: list[Endpoint] = []
    for sock in bind_udp(address):
        endpoint = Endpoint(
            configuration,
            lambda connection: Http3Connection(connection, handler),
            always_retry=not address.is_loopback,
        )
        endpoints.append(await _serve(endpoint, sock))
    try:
        yield Http3(endpoints, alt_svc(alt_svc_port or address.port, alt_svc_ma_s))
    finally:
        try:
            await _drain(endpoints, drain_s)
        finally:
            for endpoint in endpoints:
                await endpoint.close(ErrorCode.H3_NO_ERROR)


async def _serve(endpoint: Endpoint, sock: socket.socket) -> Endpoint:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: endpoint, sock=sock)
    return endpoint


async def _drain(endpoints: Sequence[Endpoint], within_s: float) -> None:
    async with asyncio.TaskGroup() as group:
        for endpoint in endpoints:
            group.create_task(endpoint.drain(within_s), name="drain QUIC")


def _configuration() -> QuicConfiguration:
    return QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN,
        supported_versions=[QuicProtocolVersion.VERSION_1],
        idle_timeout=IDLE_TIMEOUT_S,
        max_data=CONNECTION_WINDOW_BYTES,
        max_stream_data=STREAM_WINDOW_BYTES,
    )


def _load(configuration: QuicConfiguration, identity: Identity) -> None:
    """Load the present certificate for new connections; existing ones keep theirs."""
    fresh = _configuration()
    fresh.load_cert_chain(identity.certificate_file, identity.key_file)
    # The files may have changed again after the check that key and certificate match.
    if fresh.private_key.public_key() == fresh.certificate.public_key():
        configuration.certificate = fresh.certificate
        configuration.certificate_chain = fresh.certificate_chain
        configuration.private_key = fresh.private_key


def alt_svc(port: int, ma_s: int) -> bytes:
    """The value of Alt-Svc for HTTP/3, valid for `ma_s` seconds; 0 revokes earlier values."""
    return b'h3=":%d"; ma=%d' % (port, ma_s) if ma_s else b"clear"
