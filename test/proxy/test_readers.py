"""The parsers for each kind of peer: trust, addresses, Via, and the bound of their cache."""

import asyncio
import ipaddress

import pytest

from httpprocessproxy.config import Address
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import HostRule
from httpprocessproxy.core.http.ip import is_in
from httpprocessproxy.core.http.reader import RequestReader
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.proxy.readers import MAX_READERS, Readers

TRUSTED = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))


class Connection(asyncio.Transport):
    """A transport that has the ends of a connection, and nothing else."""

    def __init__(self, peername: object, sockname: object, *, is_tls: bool = False) -> None:
        context = object() if is_tls else None
        super().__init__({"peername": peername, "sockname": sockname, "sslcontext": context})


def readers() -> Readers:
    made = Readers(HostRule((), "localhost"), lambda node: is_in(node, TRUSTED), None, None)
    made.dashboard_ends = frozenset((8001, "/dashboard"))
    return made


def read(reader: RequestReader, *lines: bytes, host: bytes = b"localhost") -> Request:
    return reader.read(b"\r\n".join([b"GET / HTTP/1.1", b"Host: " + host, *lines, b"", b""]))


def value(request: Request, name: bytes) -> bytes | None:
    after = request.head.partition(b"\r\n%b: " % name)[2]
    return after.partition(b"\r\n")[0] if after else None


@pytest.mark.parametrize(
    ("ip", "is_trusted"),
    [("192.0.2.1", True), ("198.51.100.1", False), ("2001:db8::1", True), ("::1", False)],
)
@pytest.mark.parametrize("version", ["2", "3"])
def test_stream_has_the_address_and_the_trust_of_its_client(
    version: str, ip: str, is_trusted: bool
) -> None:
    reader = readers().of_stream(version, ip, 8443)
    peer = reader.peer
    assert (peer.ip, peer.trusted, peer.proto) == (ip, is_trusted, b"https")
    assert (peer.is_stream, peer.is_for_dashboard, peer.is_for_visitors) == (True, False, False)
    request = read(reader)
    assert (request.is_stream, request.is_trusted) == (True, is_trusted)
    assert (value(request, b"Via") or b"").startswith(version.encode() + b" http-process-proxy-")


def test_mapped_address_is_an_ipv4_address() -> None:
    assert readers().of_stream("2", "::ffff:192.0.2.1", 8443).peer.ip == "192.0.2.1"


@pytest.mark.parametrize("is_tls", [True, False])
def test_connection_has_the_scheme_and_the_authority_that_it_reached(is_tls: bool) -> None:
    ends = ("192.0.2.1", 50000), ("127.0.0.1", 8000)
    reader = readers().of_connection(Connection(*ends, is_tls=is_tls))
    peer = reader.peer
    assert peer.proto == (b"https" if is_tls else b"http")
    assert peer.reached == str(Address("127.0.0.1", 8000)).encode()
    assert not peer.is_stream
    assert (value(read(reader), b"Via") or b"").startswith(b"1.1 http-process-proxy-")


def test_each_proxy_has_its_own_name_and_one_for_all_versions() -> None:
    first, second = readers(), readers()
    names = set()
    for version in ("1.1", "2", "3"):
        via = value(read(first.of_stream(version, "192.0.2.1", 1)), b"Via") or b""
        names.add(via.partition(b" ")[2])
        for other in ("2", "3"):
            reader = first.of_stream(other, "192.0.2.1", 1)
            with pytest.raises(RequestError) as caught:
                read(reader, b"Via: " + via)
            assert caught.value.status == 508
            passed = read(second.of_stream(other, "192.0.2.1", 1), b"Via: " + via)
            assert (value(passed, b"Via") or b"").startswith(via + b", ")
    assert len(names) == 1


@pytest.mark.parametrize(
    ("ip", "value_", "wants_fence"),
    [("192.0.2.1", b"1", True), ("192.0.2.1", b"0", False), ("198.51.100.1", b"1", False)],
    ids=["asked", "not asked", "not trusted"],
)
def test_hpp_sync_of_a_trusted_stream_is_obeyed(ip: str, value_: bytes, wants_fence: bool) -> None:
    reader = readers().of_stream("2", ip, 8443)
    for _ in range(2):  # the second head comes from the reader's cache
        request = read(reader, b"hpp-sync: " + value_, b"x-a: b")
        assert request.wants_fence is wants_fence
        assert value(request, b"x-a") == b"b"
        assert b"hpp-sync" not in request.head.lower()


def test_port_of_the_dashboard_serves_the_dashboard_alone() -> None:
    made = readers()
    server = ("127.0.0.1", 8001)
    for reader in (
        made.of_stream("2", "192.0.2.1", 8001),
        made.of_connection(Connection(("192.0.2.1", 1), server)),
        made.of_connection(Connection("", "/dashboard")),
    ):
        assert read(reader).is_for_dashboard
    assert not read(made.of_stream("2", "192.0.2.1", 8000)).is_for_dashboard


def test_unix_socket_is_the_user_of_the_proxy() -> None:
    made = readers()
    reader = made.of_connection(Connection("", "/private"))
    assert reader is made.private
    assert (reader.peer.ip, reader.peer.trusted) == (None, True)
    assert not read(reader).is_for_dashboard


@pytest.mark.parametrize("is_stream", [True, False])
def test_visitors_are_untrusted_and_may_use_any_host(is_stream: bool) -> None:
    reader = readers().of_visitors(is_stream=is_stream)
    request = read(reader, b"Forwarded: for=192.0.2.1", host=b"a.example")
    assert (request.is_trusted, request.is_stream) == (False, is_stream)
    assert value(request, b"Forwarded") == b"for=192.0.2.1"
    with pytest.raises(RequestError):
        read(readers().of_stream("2", "192.0.2.1", 1), host=b"a.example")


def test_reader_of_a_peer_is_cached_and_the_cache_is_bounded() -> None:
    made = readers()
    known = made.of_stream("2", "192.0.2.1", 8443)
    assert made.of_stream("2", "192.0.2.1", 8443) is known
    assert made.of_stream("3", "192.0.2.1", 8443) is not known
    assert made.of_stream("2", "192.0.2.1", 8001) is not known
    connection = Connection(("192.0.2.1", 1), ("127.0.0.1", 8000))
    assert made.of_connection(connection) is made.of_connection(connection)
    for number in range(MAX_READERS + 10):
        stranger = made.of_stream("2", f"203.0.113.{number}", 8443)
        assert (stranger.peer.ip, stranger.peer.trusted) == (f"203.0.113.{number}", False)
        assert len(made._cached) <= MAX_READERS
    again = made.of_stream("2", "192.0.2.1", 8443)
    assert again is not known
    assert again.peer.trusted
