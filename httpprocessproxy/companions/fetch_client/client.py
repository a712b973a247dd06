"""An HTTP client that requests only URLs that the guard permits, one redirect at a time.

The rule: every URL is checked before its request, redirects included. No cookies or DNS answers
are kept between requests, and header fields meant for one origin are never sent to another
(RFC 9110 section 15.4).
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from httpprocessproxy.companions.fetch_client.fields import check_fields
from httpprocessproxy.companions.fetch_client.guard import OriginGuard, Refused
from httpprocessproxy.companions.fetch_client.origin import FetchOrigin, parse_url
from httpprocessproxy.companions.fetch_client.resolving import CheckedResolver, Resolve

MAX_REDIRECTS: Final = 5

_AUTHORITY: Final = re.compile(r"[^/?#]*//[^/?#]*")

_REDIRECTS: Final = (301, 302, 303, 307, 308)

# The caller limits concurrency: waiting for a free connection in aiohttp's pool would count
# towards the connect timeout.
_NO_LIMIT: Final = 0

_FIELDS: Final = {"User-Agent": "http-process-proxy"}
# The proxy injects a script only into documents that a browser displays; "empty" prevents that.
_NOT_A_DOCUMENT: Final = {"Sec-Fetch-Dest": "empty"}
# Larger bodies are sent in pieces of this size: aiohttp would copy a single large body whole.
_PIECE_BYTES: Final = 64 * 1024
# Header fields that aiohttp adds by default; `send` sends exactly the caller's fields.
_DEFAULT_FIELDS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """The address of the running site, to which a `/path` without a host is resolved.

    `aliases` are further origins of the same site. `socket` is a Unix socket of the proxy, which
    holds requests while its server starts. Without one, the client connects to `origin`, which
    the guard need not allow; `tls` may trust a certificate that the system does not trust.
    """

    origin: FetchOrigin
    socket: Path | None = None
    aliases: frozenset[FetchOrigin] = frozenset()
    tls: ssl.SSLContext | None = None

    def has(self, origin: FetchOrigin) -> bool:
        """Whether an origin is one of the site's."""
        return origin == self.origin or origin in self.aliases


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: `total_s` for the whole exchange with its body, `idle_s` for each read.

    `connect_s` covers DNS, the TCP connection and the TLS handshake. A request that the proxy
    holds waits up to the proxy's queue timeout, usually a minute.
    """

    total_s: float | None = 300.0
    connect_s: float = 10.0
    idle_s: float = 90.0


class Outgoing:
    """The HTTP client, an async context manager; leaving the context closes all connections."""

    def __init__(
        self, guard: OriginGuard, *, site: SiteAddress | None = None, resolve: Resolve | None = None
    ) -> None:
        """`resolve` replaces the system's resolver."""
        self._site = site
        self._guard = guard
        self._resolve = resolve
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._remote = await self._session(self._checked(force_close=False))
        # aiohttp repeats an idempotent request such as PUT after a lost connection, even a new
        # one, and has no public option to disable that.
        self._once = await self._session(self._checked(force_close=True))
        self._once._retry_connection = False
        self._local = self._remote
        if self._site is not None and self._site.socket is not None:
            self._local = await self._session(
                aiohttp.UnixConnector(str(self._site.socket), limit=_NO_LIMIT)
            )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._exits.aclose()

    def permits(self, url: str) -> None:
        """Raise Refused unless the URL is a path of the site or of an origin the guard permits."""
        self._locate(url)

    @contextlib.asynccontextmanager
    async def get(
        self, url: str, fields: Mapping[str, str] | None = None, timeouts: Timeouts | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a URL or a `/path` of the site, follow redirects, and yield the final response.

        Read its body, which is decoded, while the context is open. The fields are checked, and
        not sent to other origins. Raises Refused, TimeoutError, OSError and aiohttp.ClientError.
        """
        timeouts = timeouts or Timeouts()
        check_fields(fields or {})
        async with asyncio.timeout(timeouts.total_s):
            async with self._following(self._locate(url), fields or {}, timeouts) as response:
                yield response

    @contextlib.asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        body: bytes | bytearray,
        timeouts: Timeouts | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request with exactly these fields, without retries, and yield its response.

        Path and query are sent byte for byte. The fields are trusted and not checked; a `/path`
        is refused. Redirects are not followed. Raises the same exceptions as `get`.
        """
        origin = FetchOrigin.of(_parsed(url))
        self._guard.permits_origin(origin)
        target = _verbatim(origin, url)
        timeouts = timeouts or Timeouts()
        async with (
            asyncio.timeout(timeouts.total_s),
            self._once.request(
                method,
                target,
                headers={**fields, "Content-Length": str(len(body))},
                data=body if len(body) <= _PIECE_BYTES else _pieces(body),
                allow_redirects=False,
                skip_auto_headers=_DEFAULT_FIELDS,
                timeout=_client_timeout(timeouts),
            ) as response,
        ):
            yield response

    @contextlib.asynccontextmanager
    async def _following(
        self, url: URL, fields: Mapping[str, str], timeouts: Timeouts
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        seen: set[URL] = set()
        while True:
            seen.add(url)
            async with self._request(url, fields, timeouts) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
            following = self._redirected(url, location)
            if following in seen or len(seen) > MAX_REDIRECTS:
                raise Refused(f"more than {MAX_REDIRECTS} redirects, or redirects in a circle")
            if FetchOrigin.of(following) != FetchOrigin.of(url):
                fields = {}
            url = following

    def _redirected(self, url: URL, location: str) -> URL:
        """The checked target of a redirect. Raises Refused."""
        try:
            return self._permitted(urljoin(str(url), location))
        except (Refused, ValueError) as error:
            raise Refused(f"redirected: {error}") from None

    def _request(
        self, url: URL, fields: Mapping[str, str], timeouts: Timeouts
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        session, origin = self._remote, FetchOrigin.of(url)
        # Case-insensitive: a field of the caller replaces a default one.
        sent = CIMultiDict(_FIELDS)
        sent.update(fields)
        tls: ssl.SSLContext | bool = True
        if self._site is not None and self._site.has(origin):
            sent.update(_NOT_A_DOCUMENT)
            tls = self._site.tls or True
            if self._site.socket:
                session = self._local
                sent.update(_forwarding_fields(origin))
                # The proxy's Unix socket takes plain HTTP, even if its TCP port takes TLS.
                url = URL(f"http://{origin.authority}{url.raw_path_qs}", encoded=True)
        timeout = _client_timeout(timeouts)
        return session.get(url, headers=sent, allow_redirects=False, timeout=timeout, ssl=tls)

    def _locate(self, url: str) -> URL:
        """The checked absolute URL; a `/path` is one of the site. Raises Refused."""
        if url.startswith("/") and not url.startswith(("//", "/\\")):
            if self._site is None:
                raise Refused("a /path needs a site, and none is configured")
            url = f"{self._site.origin}{url}"
        return self._permitted(url)

    def _permitted(self, url: str) -> URL:
        """The URL verbatim, without its fragment. Raises Refused."""
        origin = FetchOrigin.of(_parsed(url))
        if self._site is None or not self._site.has(origin):
            self._guard.permits_origin(origin)
        return _verbatim(origin, url.partition("#")[0])

    def _checked(self, *, force_close: bool) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            resolver=CheckedResolver(self._guard, self._resolve),
            use_dns_cache=False,
            force_close=force_close,
            limit=_NO_LIMIT,
        )

    async def _session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return await self._exits.enter_async_context(session)


async def _pieces(body: bytes | bytearray) -> AsyncIterator[bytes]:
    for at in range(0, len(body), _PIECE_BYTES):
        yield bytes(body[at : at + _PIECE_BYTES])


def _parsed(url: str) -> URL:
    """The parsed URL. Raises Refused."""
    try:
        return parse_url(url)
    except ValueError as error:
        raise Refused(str(error)) from None


def _verbatim(origin: FetchOrigin, url: str) -> URL:
    """The URL with path and query unchanged: normalizing `%41` to `A` breaks signed requests."""
    rest = _AUTHORITY.sub("", url, count=1)
    return URL(f"{origin}{rest}", encoded=rest.isascii())


def _forwarding_fields(origin: FetchOrigin) -> Mapping[str, str]:
    """Host and forwarding fields as if the site was reached at `origin` (RFC 7239).

    The client's address is withheld.
    """
    authority, proto = origin.authority, origin.scheme
    return {
        "Host": authority,
        "Forwarded": f'for=unknown;host="{authority}";proto={proto}',
        "X-Forwarded-For": "unknown",
        "X-Forwarded-Host": authority,
        "X-Forwarded-Proto": proto,
    }


def _client_timeout(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=timeouts.connect_s, sock_read=timeouts.idle_s)
