"""Response fields that harm development, and their correction.

* Heuristic freshness (RFC 9111 section 4.2.2): with Last-Modified and no caching field, a browser
  may run an old script for days. Such a response gets `Cache-Control: no-cache`.
* A Last-Modified of the second in which the response was made is not a validator (RFC 9110 section
  8.8.2.2): a second save within that second would not change it. It is removed.
* URLs that bypass the proxy are rewritten: see `redirects.py`.
* Strict-Transport-Security (RFC 6797) would apply to every server on localhost, of any project. It
  is removed there.

All other fields pass unchanged. No I/O.
"""

import dataclasses
from functools import lru_cache
from typing import Final

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.forwarded import client_view
from httpprocessproxy.core.http.hosts import parse_authority
from httpprocessproxy.core.http.http1 import Fields, ResponseHead
from httpprocessproxy.core.http.ip import parsed_ip
from httpprocessproxy.core.http.redirects import URL_FIELDS, Ends, led_back
from httpprocessproxy.core.http.request import Request, StrippedRequest
from httpprocessproxy.core.http.validators import http_date, is_of_second

LAST_MODIFIED: Final = b"last-modified"
DATE: Final = b"date"
HSTS: Final = b"strict-transport-security"

# A response with one of these fields sets its own lifetime (RFC 9111 sections 5.2 to 5.4).
CACHING: Final = frozenset((b"cache-control", b"expires", b"pragma"))

# In seconds. The validator has a resolution of a second, and file systems' clocks lag by up to
# 10 ms.
MIN_AGE_S: Final = 2

NO_CACHE: Final = (b"Cache-Control", b"no-cache")

_GOVERNED: Final = URL_FIELDS | {LAST_MODIFIED, HSTS}


class ResponseFields:
    """The corrections above, as far as the options of this run enable them."""

    __slots__ = ("_backend_hosts", "_leads_back", "adds_no_cache")

    def __init__(
        self,
        backend_host: str = "localhost",
        *,
        adds_no_cache: bool = True,
        leads_back: bool = True,
    ) -> None:
        """`backend_host` is a name of the backend, `adds_no_cache` and `leads_back` are options."""
        self._backend_hosts = (backend_host.lower(),)
        self._leads_back = leads_back
        self.adds_no_cache = adds_no_cache

    def mend(
        self, head: ResponseHead, request: Request, backend_port: int | None, now: float
    ) -> ResponseHead:
        """Return the corrected head. `now` is the time of its arrival, in seconds since 1970."""
        names = {name.lower() for name, _ in head.fields}
        if names.isdisjoint(_GOVERNED):
            return head
        fields = head.fields
        if LAST_MODIFIED in names:
            fields = self._mend_caching(fields, names, now)
        if HSTS in names and is_local(request.host):
            fields = without(fields, HSTS)
        if self._leads_back and backend_port is not None and names & URL_FIELDS:
            prefix = request.prefix if isinstance(request, StrippedRequest) else b""
            ends = Ends(*client_view(request.rest), backend_port, self._backend_hosts, prefix)
            fields = [
                (name, led_back(value, ends) if name.lower() in URL_FIELDS else value)
                for name, value in fields
            ]
        return dataclasses.replace(head, fields=fields)

    def _mend_caching(self, fields: Fields, names: set[bytes], now: float) -> Fields:
        modified = http_date(_value(fields, LAST_MODIFIED))
        made = http_date(_value(fields, DATE)) if DATE in names else now
        if modified is not None and made is not None and made - modified < MIN_AGE_S:
            fields = [
                (name, value)
                for name, value in fields
                if name.lower() != LAST_MODIFIED
                and not (name.lower() == b"etag" and is_of_second(value, modified))
            ]
        if self.adds_no_cache and names.isdisjoint(CACHING):
            fields = [*fields, NO_CACHE]
        return fields


def without(fields: Fields, unwanted: bytes) -> Fields:
    return [field for field in fields if field[0].lower() != unwanted]


@lru_cache(maxsize=64)
def is_local(host: bytes) -> bool:
    """Whether a Host field names this machine by a name that all projects on it share."""
    try:
        name, _ = parse_authority(host)
    except RequestError:
        return False
    name = name.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 section 6.3
        return True
    address = parsed_ip(name)
    return address is not None and address.is_loopback


def _value(fields: Fields, wanted: bytes) -> bytes:
    return next((value for name, value in fields if name.lower() == wanted), b"")
