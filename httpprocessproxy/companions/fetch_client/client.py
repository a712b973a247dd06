"""A client that only goes where the guard lets it, one hop at a time.

The rule: every URL is checked before it is used, those of redirects too; nothing is remembered
between requests, and what was said to one origin is not told to another (RFC 9110 section 15.4).
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

# Who uses this bounds what goes on at a time; here, waiting for others would count as connecting.
_NO_LIMIT: Final = 0

_FIELDS: Final = {"User-Agent": "http-process-proxy"}
# The proxy changes pages that a browser is to show, and leaves other answers as they are.
_AS_NO_PAGE: Final = {"Sec-Fetch-Dest": "empty"}
# Larger bodies are sent in such pieces: aiohttp would copy them whole on their way to the kernel.
_PIECE_BYTES: Final = 64 * 1024
# What aiohttp would add by itself to a request whose fields are to be these and no others.
_SILENT: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """The running site, which URLs without a host mean, and those of its origins.

    `socket` is a Unix socket that leads to it: there, the proxy holds requests while its server
    starts. Without one, the site is reached by its origin, which the guard need not allow, and
    `tls` may trust a certificate of it that the system does not.
    """

    origin: FetchOrigin
    socket: Path | None = None
    aliases: frozenset[FetchOrigin] = frozenset()
    tls: ssl.SSLContext | None = None

    def has(self, origin: FetchOrigin) -> bool:
        """Whether it is one of its origins."""
        return origin == self.origin or origin in self.aliases


@dataclass(frozen=True, slots=True)
class Timeouts:
    """`total_s` is for everything, the body too; `idle_s` for each wait for something to come.

    `connect_s` is for finding the address, connecting to it, and TLS. A held request waits for as
    long as the proxy's queue lets it: a minute, as a rule.
    """

    total_s: float | None = 300.0
    connect_s: float = 10.0
    idle_s: float = 90.0


class Outgoing:
    """Use it as an async context manager; leaving it closes all connections."""

    def __init__(
        self, guard: OriginGuard, *, site: SiteAddress | None = None, resolve: Resolve | None = None
    ) -> None:
        """`resolve` takes the place of the system's resolver."""
        self._site = site
        self._guard = guard
        self._resolve = resolve
        self._exits = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._remote = await self._session(self._checked(force_close=False))
        # aiohttp would send a PUT again if its connection turned out to be dead, a new one as well,
        # and has no public way to be told not to.
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
        """Raise Refused unless it may be fetched: a path of the site, or as the guard says."""
        self._locate(url)

    @contextlib.asynccontextmanager
    async def get(
        self, url: str, fields: Mapping[str, str] | None = None, timeouts: Timeouts | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET a URL, of which `/path` is the site's; follow redirects, and give the last response.

        Its body is decoded, and read while the context is open. The fields are checked, and told
        to no other origin. Raises Refused, TimeoutError, OSError and aiohttp.ClientError.
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
        """Send one request with these fields and no others, once, and give its response.

        Path and query go byte for byte. The fields are the caller's own, and not checked; `/path`
        is refused. Redirects are not followed. Raises what `get` does.
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
                skip_auto_headers=_SILENT,
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
            async with self._ask(url, fields, timeouts) as response:
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
        """Where a redirect leads. Raises Refused."""
        try:
            return self._permitted(urljoin(str(url), location))
        except (Refused, ValueError) as error:
            raise Refused(f"redirected: {error}") from None

    def _ask(
        self, url: URL, fields: Mapping[str, str], timeouts: Timeouts
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        session, origin = self._remote, FetchOrigin.of(url)
        # In any case of letters, a field is there once.
        sent = CIMultiDict(_FIELDS)
        sent.update(fields)
        tls: ssl.SSLContext | bool = True
        if self._site is not None and self._site.has(origin):
            sent.update(_AS_NO_PAGE)
            tls = self._site.tls or True
            if self._site.socket:
                session = self._local
                sent.update(_as_visit(origin))
                # Whatever browsers speak to the proxy, its socket takes plain HTTP.
                url = URL(f"http://{origin.authority}{url.raw_path_qs}", encoded=True)
        timeout = _client_timeout(timeouts)
        return session.get(url, headers=sent, allow_redirects=False, timeout=timeout, ssl=tls)

    def _locate(self, url: str) -> URL:
        """Where a URL leads; `/path` is the site's. Raises Refused."""
        if url.startswith("/") and not url.startswith(("//", "/\\")):
            if self._site is None:
                raise Refused("there is no site whose path this could be")
            url = f"{self._site.origin}{url}"
        return self._permitted(url)

    def _permitted(self, url: str) -> URL:
        """The URL as it is written, without its fragment. Raises Refused."""
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
    """A URL as it will be used. Raises Refused."""
    try:
        return parse_url(url)
    except ValueError as error:
        raise Refused(str(error)) from None


def _verbatim(origin: FetchOrigin, url: str) -> URL:
    """The URL with path and query as they are written: `%41` is no `A` to who signs requests."""
    rest = _AUTHORITY.sub("", url, count=1)
    return URL(f"{origin}{rest}", encoded=rest.isascii())


def _as_visit(origin: FetchOrigin) -> Mapping[str, str]:
    """How the site is to believe that it was reached (RFC 7239). For whom, is nobody's business."""
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
