"""The client's address for the backend: Forwarded (RFC 7239) and X-Forwarded-*.

Fields about other clients are kept, and appended to, only if the peer is trusted
(`--forwarded-allow-ips`); those of an untrusted peer are replaced. A trusted peer's Forwarded that
violates the grammar is dropped: an element appended to it could end up inside its open quote. The
Via field (RFC 9110 section 7.6.3) is added in `headers.py`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from httpprocessproxy.core.http.http1 import QUOTED, TOKEN, Fields

_VALUE = rb"(?:%b|%b)" % (TOKEN, QUOTED)
_ELEMENT_SOURCE = rb"%b=%b(?:;%b=%b)*" % (TOKEN, _VALUE, TOKEN, _VALUE)
_LIST_PART = re.compile(rb"[ \t]*(?:(,)|(%b))" % _ELEMENT_SOURCE)
_TOKEN_ONLY = re.compile(TOKEN)
_PARAMETER = re.compile(rb"(%b)=(%b)" % (TOKEN, _VALUE))

# RFC 7239 section 6: nodename [ ":" node-port ], where an obfuscated name begins with "_".
_OBFUSCATED = rb"_[0-9A-Za-z._\-]+"
_NODE = re.compile(
    rb"(?:unknown|%b|[0-9]{1,3}(?:\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+\])(?::(?:[0-9]{1,5}|%b))?"
    % (_OBFUSCATED, _OBFUSCATED),
    re.IGNORECASE,
)

FORWARDED: Final = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
)

# Fields that frameworks trust as written by a proxy: statements of a peer about another client.
_PROXY_FIELDS = re.compile(rb"forwarded\Z|x[-_](?:forwarded[-_]|real[-_]ip\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """The remote end of a client's connection.

    ip                None for a socket without an IP address
    trusted           its forwarding fields are believed
    proto             the scheme that it used: http or https
    reached           the authority at which it reached the proxy, for a request that names none
                      (RFC 9112 section 3.3)
    is_for_visitors   all its clients are untrusted, whatever host they used
    is_for_dashboard  it connected to the dashboard's own port
    is_stream         its protocol frames bodies and has no Connection field: HTTP/2, HTTP/3 and
                      the streams of a share
    trusts            decides whether a node for which it forwards is trusted
    """

    ip: str | None
    trusted: bool
    proto: bytes = b"http"
    reached: bytes = b""
    is_for_visitors: bool = False
    is_for_dashboard: bool = False
    is_stream: bool = False
    trusts: Callable[[str], bool] = field(default=lambda node: False, compare=False)


def trusted_forwarded(fields: Fields, peer: Peer) -> Fields:
    """Return a request's fields, without forwarding fields if the peer is untrusted."""
    return fields if peer.trusted else [f for f in fields if not _PROXY_FIELDS.match(f[0])]


def forwarded_fields(inherited: Fields, peer: Peer, host: bytes) -> Fields:
    """Return the fields that describe the peer and the clients behind it to the backend.

    `inherited` are the trusted fields named in FORWARDED, `host` is the request's own. A peer
    without an address adds no element to an inherited Forwarded or X-Forwarded-For.
    """
    chain, addresses = _chain(inherited), _values(inherited, b"x-forwarded-for")
    if peer.ip is not None:
        addresses.append(peer.ip.encode())
    if peer.ip is not None or not chain:
        chain.append(_element(peer, host))
    fields = [
        (b"Forwarded", b", ".join(chain)),
        (b"X-Forwarded-For", b", ".join(addresses)),
        (b"X-Forwarded-Host", b", ".join(_values(inherited, b"x-forwarded-host")) or host),
        (b"X-Forwarded-Proto", b", ".join(_values(inherited, b"x-forwarded-proto")) or peer.proto),
    ]
    return [field for field in fields if field[1]]  # HTTP/1.0 may come without a Host


def forwarded_for(head: bytes, peer_ip: str | None) -> list[str]:
    """Return the nodes for which the peer forwarded a request, read from an outgoing `head`.

    Each is a bare address, or the text that the peer gave in place of one. The last hop is first.
    """
    line = _line(head, b"X-Forwarded-For")
    addresses = line.split(b",") if line else []
    elements = _elements(_line(head, b"Forwarded")) or []
    if peer_ip is not None:  # the last of each is the peer itself
        addresses, elements = addresses[:-1], elements[:-1]
    pairs = [pair for element in elements[::-1] for pair in _PARAMETER.finditer(element)]
    nodes = [_unquoted(pair[2]) for pair in pairs if pair[1].lower() == b"for"]
    return [_bare(node.strip()) for node in [*addresses[::-1], *nodes]]


def untrusted_peers(head: bytes, peer: Peer) -> list[str]:
    """Return the untrusted nodes among the peer of a request and those in an outgoing `head`.

    A trusted peer may be a tunnel or another proxy: a request is trusted if this list is empty.
    """
    found = [] if peer.trusted else [str(peer.ip)]
    if peer.is_for_visitors:
        found.append("outside")
    return found + [node for node in forwarded_for(head, peer.ip) if not peer.trusts(node)]


def client_view(head: bytes) -> tuple[bytes, bytes]:
    """Return the scheme and the authority that the client used, read from an outgoing `head`."""
    scheme, authority = _line(head, b"X-Forwarded-Proto"), _line(head, b"X-Forwarded-Host")
    return scheme.partition(b",")[0].strip().lower(), authority.partition(b",")[0].strip()


def is_valid(value: bytes) -> bool:
    """Whether a Forwarded value follows RFC 7239: sections 4 (no parameter twice) and 6 (nodes)."""
    elements = _elements(value)
    return elements is not None and all(map(_is_valid_element, elements))


def _elements(value: bytes) -> list[bytes] | None:
    """Return the elements of a list (RFC 9110 section 5.6.1), without empty ones; None if invalid.

    One element at a time: a single regex for the list takes quadratic time for many spaces.
    """
    value = value.rstrip(b" \t")
    elements: list[bytes] = []
    at, needs_comma = 0, False
    while at < len(value):
        part = _LIST_PART.match(value, at)
        if part is None or (needs_comma and part[2]):
            return None
        needs_comma = bool(part[2])
        if needs_comma:
            elements.append(part[2])
        at = part.end()
    return elements


def _is_valid_element(element: bytes) -> bool:
    parameters = [(pair[1].lower(), pair[2]) for pair in _PARAMETER.finditer(element)]
    nodes = [_unquoted(value) for name, value in parameters if name in (b"for", b"by")]
    return len({name for name, _ in parameters}) == len(parameters) and all(
        _NODE.fullmatch(node) for node in nodes
    )


def _line(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n%b: " % name)[2].partition(b"\r\n")[0]


def _bare(node: bytes) -> str:
    """Return a node (RFC 7239 section 6) without brackets and port."""
    if node.startswith(b"["):
        node = node[1:].partition(b"]")[0]
    elif node.count(b":") == 1:
        node = node.partition(b":")[0]
    return node.decode("latin-1")


def _unquoted(value: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", value[1:-1]) if value.startswith(b'"') else value


def _chain(inherited: Fields) -> list[bytes]:
    chain = _values(inherited, b"forwarded")
    return chain if all(map(is_valid, chain)) else []


def _values(fields: Fields, wanted: bytes) -> list[bytes]:
    return [value for name, value in fields if value and name.lower() == wanted]


def _element(peer: Peer, host: bytes) -> bytes:
    """Return the proxy's own element. An IPv6 address is in brackets and quotes (section 6)."""
    pairs = []
    if peer.ip is not None:
        pairs.append(
            b'for="[%b]"' % peer.ip.encode() if ":" in peer.ip else b"for=%b" % peer.ip.encode()
        )
    if host:
        pairs.append(b"host=" + (host if _TOKEN_ONLY.fullmatch(host) else b'"%b"' % _escaped(host)))
    return b";".join([*pairs, b"proto=" + peer.proto])


def _escaped(text: bytes) -> bytes:
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
