"""Who asked, for the backend: Forwarded (RFC 7239), X-Forwarded-* and Via (RFC 9110 section 7.6.3).

What a peer says of its own clients is kept, and appended to, only if that peer is trusted
(`--forwarded-allow-ips`); anybody else's is replaced. A trusted peer's Forwarded that does not
follow the grammar is dropped: ours, appended, could end up inside its open quote.
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

# What frameworks read as if it came from a proxy: all that a peer says of somebody else.
_HEARSAY = re.compile(rb"forwarded\Z|x[-_](?:forwarded[-_]|real[-_]ip\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a client's connection.

    `ip` is None for a socket without one. `trusted` peers may speak for others. `reached` is the
    authority at which they reached us, for a request that names none (RFC 9112 section 3.3).
    `is_for_visitors`: whoever it speaks for is a stranger, by whatever host he found us.
    `is_for_dashboard`: it has come to the dashboard's own port. `trusts` decides about the nodes
    that it speaks for.
    """

    ip: str | None
    trusted: bool
    proto: bytes = b"http"
    reached: bytes = b""
    is_for_visitors: bool = False
    is_for_dashboard: bool = False
    trusts: Callable[[str], bool] = field(default=lambda node: False, compare=False)


def trusted_forwarded(fields: Fields, peer: Peer) -> Fields:
    """A request's fields, without what its peer may not say."""
    return fields if peer.trusted else [f for f in fields if not _HEARSAY.match(f[0])]


def forwarded_fields(inherited: Fields, peer: Peer, host: bytes) -> Fields:
    """The fields that tell the backend about the peer and those behind it.

    `inherited` are the believed fields named in FORWARDED, `host` is the request's own. A peer
    without an address is nobody's client: what it says of others stands alone.
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
    """Those for whom the peer of a request spoke, as the fields above tell it in `head`.

    Each is a bare address, or what the peer said in place of one. Who came last is first.
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
    """The untrusted among the peer of a request and the nodes that it spoke for in `head`.

    A trusted peer may be a tunnel or another proxy: a request is trusted if this list is empty.
    """
    found = [] if peer.trusted else [str(peer.ip)]
    if peer.is_for_visitors:
        found.append("outside")
    return found + [node for node in forwarded_for(head, peer.ip) if not peer.trusts(node)]


def client_view(head: bytes) -> tuple[bytes, bytes]:
    """The scheme and the authority that the client used, as the fields above tell it in `head`."""
    scheme, authority = _line(head, b"X-Forwarded-Proto"), _line(head, b"X-Forwarded-Host")
    return scheme.partition(b",")[0].strip().lower(), authority.partition(b",")[0].strip()


def is_valid(value: bytes) -> bool:
    """Whether a Forwarded value follows RFC 7239: sections 4 (no parameter twice) and 6 (nodes)."""
    elements = _elements(value)
    return elements is not None and all(map(_is_valid_element, elements))


def _elements(value: bytes) -> list[bytes] | None:
    """The elements of a list (RFC 9110 section 5.6.1), of which some may be empty; None if it is
    none. Step by step: one regex for it all would take quadratic time for many spaces."""
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
    """A node (RFC 7239 section 6) without brackets and port."""
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
    """One element of ours. IPv6 is bracketed and quoted (section 6), as is a host with a port."""
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
