"""A chain: six header fields that route a response from server to server, hop by hop. No I/O.

Three fields are fixed (the chain's Id, the sender's URL, the destination of error reports); three
are lists, whose element *n* describes hop *n*. The rule: a chain is finite, because each hop
removes one element; a value that cannot be written into a request line or a field is refused. Only
a handler may extend a chain, by X-Forward-* fields in its response.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from httpprocessproxy.core.http.http1 import Fields, RequestHead

# An error message lists missing fields in this order.
FIXED: Final = ("X-Forward-Id", "X-Forward-Referer", "X-Forward-Errors-To")
ROUTE: Final = ("X-Forward-To", "X-Forward-Query-Params", "X-Forward-Method")
NAMES: Final = (*FIXED, *ROUTE)

CANONICAL_IRI: Final = "X-Canonical-IRI"
# Marks an error report; a request carrying it is never forwarded.
ERROR_CONDITION: Final = "X-Forward-Error-Condition"

# X-Forward-Token lets a client on another machine begin a chain; the proxy never passes it on.
TOKEN: Final = b"x-forward-token"

# A pipeline of more services is more likely a mistake.
MAX_HOPS: Final = 10

_LOWER: Final = {name.lower().encode(): name for name in NAMES}
_METHODS: Final = frozenset((b"POST", b"PUT"))
_PRINTABLE: Final = re.compile(rb"[\t -~]*")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# RFC 3986 section 3.4, and the brackets that browsers do not encode.
_QUERY: Final = re.compile(r"(?:[!$&'()*+\-./0-9:;=?@A-Z\[\]_a-z~]|%[0-9A-Fa-f]{2})*")
_TO: Final = re.compile(r"(https?://[^/?#@\\ \t]+)(?:[/?#].*)?", re.IGNORECASE)


class BadChain(Exception):  # noqa: N818 - the client's fault, reported in a response
    """A refused chain: the proxy responds with `status`, and with the text as the body."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Hop:
    """The request to the next server, without its body."""

    method: str
    url: str
    rest: "Chain"
    """The remaining chain, to be sent in the request's X-Forward-* fields."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The parsed chain fields of a request; the three lists are equally long."""

    id: str
    referer: str
    errors_to: str
    to: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether the chain has a next hop."""
        return any(self.to)

    def fields(self) -> dict[str, str]:
        """The fields to send. A last step that is still open is sent with others, never alone."""
        fields = {
            "X-Forward-Id": self.id,
            "X-Forward-Errors-To": self.errors_to,
            "X-Forward-Referer": self.referer,
        }
        if self.goes_on:
            lists = (self.to, self.queries, self.methods)
            fields |= {name: ",".join(items) for name, items in zip(ROUTE, lists, strict=True)}
        return fields

    def next_hop(self, iri: str, referer: str) -> Hop:
        """The hop that the first step describes.

        `iri` is the canonical path of the handled request, and `referer` its URL. Only scheme, host
        and port of the X-Forward-To element are used.
        """
        origin = _TO.fullmatch(self.to[0])
        assert origin is not None, "_with_route() has checked it"
        query = f"?{self.queries[0]}" if self.queries[0] else ""
        url = f"{origin[1]}{iri.replace('#', '%23')}{query}"
        rest = replace(
            self,
            referer=referer,
            to=self.to[1:],
            queries=self.queries[1:],
            methods=self.methods[1:],
        )
        return Hop(self.methods[0].upper(), url, rest)

    def extended(self, fields: Fields) -> "Chain":
        """The chain, its lists extended by the fields of a handler's response. Raises BadChain.

        If a list ends in a comma, the added value is a further step; else it is joined to the last
        step by `&`. As a superset, a value that begins with a comma is a further step too.
        """
        added = [(name, value) for name, value in _texts(fields) if name in ROUTE]
        if not added:
            return self
        values: dict[str, str] = {}
        if self.to:
            values = {
                name: ",".join(items)
                for name, items in zip(ROUTE, (self.to, self.queries, self.methods), strict=True)
            }
        for name, value in added:
            values[name] = _joined(values[name], value) if name in values else value
        missing = [name for name in ROUTE if name not in values]
        if missing:
            raise BadChain(400, _missing(missing))
        return _with_route(self, values)


def carries_chain(head: RequestHead) -> bool:
    """Whether a request belongs to a chain: a POST or PUT with a chain field, no error report.

    All other requests are forwarded unchanged.
    """
    if head.method not in _METHODS:
        return False
    names = {name.lower() for name, _ in head.fields}
    return not names.isdisjoint(_LOWER) and ERROR_CONDITION.lower().encode() not in names


def parse_chain(fields: Fields) -> Chain:
    """Read the chain of a request that carries one. Raises BadChain."""
    values: dict[str, str] = {}
    for name, value in _texts(fields):
        # RFC 9110 section 5.3: a list may come in several lines.
        values[name] = f"{values[name]},{value}" if name in values else value
    missing = [name for name in NAMES if not values.get(name) and name not in ROUTE]
    route = [name for name in ROUTE if name in values]
    if missing or len(route) not in (0, len(ROUTE)):
        raise BadChain(400, _missing([*missing, *(n for n in ROUTE if n not in values)]))
    chain = Chain(values[FIXED[0]], values[FIXED[1]], values[FIXED[2]])
    if not _UUID.fullmatch(chain.id):
        raise BadChain(400, "X-Forward-Id is not a UUID")
    return _with_route(chain, values) if route else chain


def _with_route(chain: Chain, values: dict[str, str]) -> Chain:
    """The chain with the route in `values`, which has all names of ROUTE. Raises BadChain."""
    to, queries, methods = (_elements(values[name]) for name in ROUTE)
    if not len(to) == len(queries) == len(methods):
        raise BadChain(400, "X-Forward-To, -Query-Params and -Method are lists of unequal length")
    if len(to) > MAX_HOPS:
        raise BadChain(400, f"more than {MAX_HOPS} hops")
    # A last step without a destination is open: a handler may fill it in.
    places = to[:-1] if to[-1] == "" else to
    for method in methods[: len(places)]:
        if method.upper().encode() not in _METHODS:
            raise BadChain(400, f"X-Forward-Method is POST or PUT, and not {method!r}")
    for query in queries:
        if not _QUERY.fullmatch(query):
            raise BadChain(400, f"X-Forward-Query-Params is not a query: {query!r}")
    for place in places:
        if not _TO.fullmatch(place):
            raise BadChain(403, f"X-Forward-To is not an http or https origin: {place!r}")
    return replace(chain, to=to, queries=queries, methods=methods)


def _texts(fields: Fields) -> Iterable[tuple[str, str]]:
    """The chain fields, with their names in canonical case. Raises BadChain."""
    for name, value in fields:
        known = _LOWER.get(name.lower())
        if known is None:
            continue
        if not _PRINTABLE.fullmatch(value):
            raise BadChain(400, f"{known} is not of printable ASCII characters")
        yield known, value.decode().strip(" \t")


def _elements(value: str) -> tuple[str, ...]:
    return tuple(element.strip(" \t") for element in value.split(","))


def _joined(value: str, added: str) -> str:
    """A list with a value added to it, as described at `extended`."""
    last = value.rpartition(",")[2].strip(" \t")
    return f"{value}&{added}" if last and not added.startswith(",") else f"{value}{added}"


def _missing(names: list[str]) -> str:
    if len(names) == 1:
        return f"Missing header {names[0]}"
    return f"Missing headers {', '.join(names[:-1])} and {names[-1]}"
