"""Chains beside the proxy: who may begin one, what happens to it, and what is told of that.

A `HopReported` event reports each step of a chain here, by its Id.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from httpprocessproxy.companions.chains.allowlist import Allowlist
from httpprocessproxy.companions.chains.chain import (
    TOKEN,
    BadChain,
    Chain,
    Hop,
    carries_chain,
    parse_chain,
)
from httpprocessproxy.companions.chains.deliveries import (
    MAX_PLACES,
    ChainDelivery,
    Deliveries,
    DeliveryOutcome,
)
from httpprocessproxy.companions.chains.error_reports import tell
from httpprocessproxy.companions.chains.exchange import ChainedExchange
from httpprocessproxy.companions.chains.heads import value_of
from httpprocessproxy.companions.chains.loop_detector import LoopDetector
from httpprocessproxy.companions.chains.reports import Report
from httpprocessproxy.companions.fetch_client import FetchOrigin, Outgoing, Refused
from httpprocessproxy.companions.fetch_client.origin import parse_url
from httpprocessproxy.core.budget import BudgetShare
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.headers import Request
from httpprocessproxy.core.http.hosts import HostRule, parse_authority
from httpprocessproxy.core.http.http1 import Fields, RequestHead
from httpprocessproxy.events import EventBus, HopReported
from httpprocessproxy.proxy.exchange import Exchange

if TYPE_CHECKING:
    from httpprocessproxy.proxy.client_connection import ClientConnection
    from httpprocessproxy.proxy.server import ProxyServer


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """What the user asked for. `token` lets others in than those of this machine; "" nobody.

    `reply_fields` are lines to add to the answers 200 and 202.
    """

    allowed: Sequence[str] = ()
    token: str = ""
    reply_fields: Sequence[str] = ()
    cookies: bool = False
    dry_run: bool = False
    places: int = MAX_PLACES


class Chains:
    """An `Interceptor` of the proxy server, and the `ChainHandler` of its exchanges.

    Use `running` as a context.
    """

    def __init__(self, wish: ChainOptions, hosts: HostRule) -> None:
        """Raises UserError."""
        self._wish = wish
        self._hosts = hosts
        self._destinations = Allowlist(wish.allowed)
        self._seen = LoopDetector()
        self._outgoing = Outgoing(self._destinations.web)
        self._deliveries: Deliveries
        self._bus: EventBus

    @asynccontextmanager
    async def running(self, bus: EventBus) -> AsyncIterator[None]:
        """Deliver in the background, and tell `bus` of it."""
        self._bus = bus
        self._deliveries = Deliveries(self._outgoing, self, places=self._wish.places)
        async with self._outgoing, self._deliveries.running():
            yield

    # Interceptor

    def takes(self, head: RequestHead) -> bool:
        return carries_chain(head)

    def passing(self, fields: Fields) -> Fields:
        """All but the token, which is a secret between its client and us."""
        if not self._wish.token:
            return fields
        return [field for field in fields if field[0].lower() != TOKEN]

    def exchange(
        self, client: "ClientConnection", proxy_server: "ProxyServer", request: Request
    ) -> Exchange:
        if request.target.startswith(b"/_hpp/"):
            return Exchange(client, proxy_server, request)
        return ChainedExchange(client, proxy_server, request, self)

    # ChainHandler

    def enter(self, request: Request, fields: Fields) -> Chain:
        """The chain of a request that may go to the backend, with a place for what follows.

        Raises BadChain, after telling of it.
        """
        try:
            return self._entered(request, fields)
        except BadChain as bad:
            chain_id = value_of(fields, b"x-forward-id")
            self._publish("refused", chain_id, request, bad.status, str(bad))
            raise

    def _entered(self, request: Request, fields: Fields) -> Chain:
        self._check_client(request, fields)
        chain = parse_chain(fields)
        if chain.goes_on:
            self.check(chain)
        self._seen.enter(chain, monotonic())
        if chain.goes_on:
            try:
                self.take_place()
            except BadChain:
                self._seen.leave(chain.id)
                raise
        return chain

    def _check_client(self, request: Request, fields: Fields) -> None:
        """Raises BadChain."""
        token = value_of(fields, TOKEN).encode("latin-1")
        expected = self._wish.token.encode()
        if not request.is_trusted and not (expected and secrets.compare_digest(token, expected)):
            raise BadChain(403, "chains are for clients of this machine, or with a token")
        # To set such fields, a page of another site has to ask first (CORS): a server that answers
        # yes to everything must not answer for us.
        origin, host = value_of(fields, b"origin") or None, value_of(fields, b"host")
        if not self._hosts.allows_origin(origin, host):
            raise BadChain(403, "chains are not for pages of another site")

    def check(self, chain: Chain) -> None:
        """Raise BadChain unless the next hop and whoever hears of errors are allowed."""
        try:
            self._destinations.web.permits(chain.to[0])
            self._destinations.permits(chain.errors_to)
        except Refused as refused:
            raise BadChain(403, f"{refused} (to allow it, add: --forward-allow)") from None

    def take_place(self) -> None:
        """Take a place in the queue. Raises BadChain."""
        if not self._deliveries.take_place():
            raise BadChain(503, "too many hops wait for their delivery")

    def release_place(self) -> None:
        self._deliveries.release()

    def cookies(self, hop: Hop, fields: Fields) -> dict[str, str]:
        """The request's cookies, if the user lets them go on, and to the same host they came to.

        To browsers, all ports of a host share them (RFC 6265 section 8.5).
        """
        cookies = [value for name, value in fields if name.lower() == b"cookie"]
        if not cookies or not self._wish.cookies:
            return {}
        try:
            host, _ = parse_authority(value_of(fields, b"host").encode("latin-1"))
            origin = FetchOrigin.of(parse_url(hop.url))
        except (RequestError, ValueError):
            return {}  # neither is a place that cookies could belong to
        if host != origin.host:
            return {}
        return {"Cookie": b"; ".join(cookies).decode("ascii", "replace")}

    def share(self) -> BudgetShare:
        """The memory for an answer. It raises BadChain if too much is kept."""
        return self._deliveries.share()

    def put(self, delivery: ChainDelivery) -> bool:
        """Deliver it in the background; False if that has ended."""
        if not self._wish.dry_run:
            return self._deliveries.put(delivery)
        delivery.answer.drop()
        self._deliveries.release()
        self._seen.leave(delivery.hop.rest.id)  # nothing has gone on, so it may be shown again
        self._publish("would go", delivery.hop.rest.id, delivery.hop)
        return True

    @property
    def reply_fields(self) -> Sequence[str]:
        return self._wish.reply_fields

    # What has happened

    def ended(self, chain: Chain, request: Request, status: int) -> None:
        """A chain has come to its end here."""
        self._publish("ended", chain.id, request, status)

    def delivered(self, delivery: ChainDelivery, outcome: DeliveryOutcome) -> None:
        """Called of all deliveries, those that failed as well."""
        if outcome.message:
            self._seen.leave(delivery.hop.rest.id)
        hop = delivery.hop
        event = HopReported(
            time=_now(),
            chain=hop.rest.id,
            outcome="failed" if outcome.message else "delivered",
            method=hop.method,
            url=hop.url,
            status=outcome.status or None,
            duration_ms=round(outcome.duration_s * 1000, 1),
            tries=outcome.tries,
            text=outcome.message,
        )
        self._bus.publish(event)

    def failed(self, report: Report) -> None:
        """A request that belongs to a chain could not be answered as it should."""
        self._seen.leave(report.chain.id)
        if self._wish.dry_run:
            self._told("would tell error to", report)
        elif not self._deliveries.tell(report):
            self._told("error not told to", report, "too much is to be told")

    async def tell(self, report: Report) -> None:
        """Tell an error to whoever the chain names."""
        problem = await tell(report, self._outgoing, self._destinations)
        self._told("error not told to" if problem else "error told to", report, problem)

    def _told(self, outcome: str, report: Report, problem: str = "") -> None:
        text = f"{report.line} ({problem})" if problem else report.line
        event = HopReported(
            time=_now(),
            chain=report.chain.id,
            outcome=outcome,
            url=report.chain.errors_to,
            status=report.code or None,
            text=text,
        )
        self._bus.publish(event)

    def _publish(
        self,
        outcome: str,
        chain: str,
        step: Request | Hop,
        status: int | None = None,
        text: str = "",
    ) -> None:
        method, url = _step(step)
        event = HopReported(
            time=_now(),
            chain=chain,
            outcome=outcome,
            method=method,
            url=url,
            status=status,
            text=text,
        )
        self._bus.publish(event)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _step(step: Request | Hop) -> tuple[str, str]:
    """The method and the target of a request, or the URL of a hop."""
    if isinstance(step, Hop):
        return step.method, step.url
    return step.method.decode(), step.target.decode("latin-1")
