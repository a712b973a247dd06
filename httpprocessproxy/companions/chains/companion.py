"""The companion for chains: it admits a chain, queues its hops, and publishes their outcomes."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

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
from httpprocessproxy.companions.chains.error_reports import send_report
from httpprocessproxy.companions.chains.exchange import ChainedExchange
from httpprocessproxy.companions.chains.heads import value_of
from httpprocessproxy.companions.chains.hop_reporter import HopReporter
from httpprocessproxy.companions.chains.loop_detector import LoopDetector
from httpprocessproxy.companions.chains.reports import Report
from httpprocessproxy.companions.fetch_client import FetchOrigin, Outgoing, Refused
from httpprocessproxy.companions.fetch_client.origin import parse_url
from httpprocessproxy.core.budget import BudgetShare
from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.core.http.hosts import HostRule, parse_authority
from httpprocessproxy.core.http.http1 import Fields, RequestHead
from httpprocessproxy.core.http.request import Request
from httpprocessproxy.events import EventBus
from httpprocessproxy.proxy.context import ProxyContext
from httpprocessproxy.proxy.exchange import Exchange
from httpprocessproxy.proxy.interfaces import Downstream


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """The options `--forward-*`. With a `token`, clients on other machines may begin chains too.

    `reply_fields` are lines ("Name: value") that are added to responses 200 and 202 of chains.
    """

    allowed: Sequence[str] = ()
    token: str = ""
    reply_fields: Sequence[str] = ()
    cookies: bool = False
    dry_run: bool = False
    places: int = MAX_PLACES


class Chains:
    """An `Interceptor` of the proxy server, and the `ChainHandler` of its exchanges.

    `running()` is a context manager; use the other methods inside it.
    """

    def __init__(self, options: ChainOptions, hosts: HostRule) -> None:
        """Raises UserError for a malformed destination in `options.allowed`."""
        self._options = options
        self._hosts = hosts
        self._destinations = Allowlist(options.allowed)
        self._loop_detector = LoopDetector()
        self._outgoing = Outgoing(self._destinations.web)
        self._deliveries: Deliveries
        self._reporter: HopReporter

    @asynccontextmanager
    async def running(self, bus: EventBus) -> AsyncIterator[None]:
        """Deliver hops in the background, and publish their outcomes on `bus`."""
        self._reporter = HopReporter(bus)
        self._deliveries = Deliveries(self._outgoing, self, places=self._options.places)
        async with self._outgoing, self._deliveries.running():
            yield

    # Interceptor

    def takes(self, head: RequestHead) -> bool:
        return carries_chain(head)

    def passing(self, fields: Fields) -> Fields:
        """The fields without the token, a secret that the client shares with the proxy alone."""
        if not self._options.token:
            return fields
        return [field for field in fields if field[0].lower() != TOKEN]

    def exchange(self, client: Downstream, context: ProxyContext, request: Request) -> Exchange:
        if request.target.startswith(b"/_hpp/"):
            return Exchange(client, context, request)
        return ChainedExchange(client, context, request, self)

    # ChainHandler

    def enter(self, request: Request, fields: Fields) -> Chain:
        """Admit the chain of a request, and reserve a place in the queue for its next hop.

        Raises BadChain, after publishing the refusal.
        """
        try:
            return self._admit(request, fields)
        except BadChain as bad:
            chain_id = value_of(fields, b"x-forward-id")
            self._reporter.step("refused", chain_id, request, bad.status, str(bad))
            raise

    def _admit(self, request: Request, fields: Fields) -> Chain:
        """Raises BadChain."""
        self._check_client(request, fields)
        chain = parse_chain(fields)
        if chain.goes_on:
            self.check(chain)
        self._loop_detector.enter(chain, monotonic())
        if chain.goes_on:
            try:
                self.take_place()
            except BadChain:
                self._loop_detector.leave(chain.id)
                raise
        return chain

    def _check_client(self, request: Request, fields: Fields) -> None:
        """Raise BadChain unless the client may begin or continue a chain."""
        token = value_of(fields, TOKEN).encode("latin-1")
        expected = self._options.token.encode()
        if not request.is_trusted and not (expected and secrets.compare_digest(token, expected)):
            raise BadChain(403, "chains are for clients of this machine, or with a token")
        # A page of another site needs a CORS preflight to set these fields. A backend that allows
        # every preflight must not thereby allow chains.
        origin, host = value_of(fields, b"origin") or None, value_of(fields, b"host")
        if not self._hosts.allows_origin(origin, host):
            raise BadChain(403, "chains are not for pages of another site")

    def check(self, chain: Chain) -> None:
        """Raise BadChain unless the next hop and the destination of error reports are allowed."""
        try:
            self._destinations.web.permits(chain.to[0])
            self._destinations.permits(chain.errors_to)
        except Refused as refused:
            raise BadChain(403, f"{refused} (to allow it, add: --forward-allow)") from None

    def take_place(self) -> None:
        """Reserve a place in the queue of deliveries. Raises BadChain if it is full."""
        if not self._deliveries.take_place():
            raise BadChain(503, "too many hops wait for their delivery")

    def release_place(self) -> None:
        self._deliveries.release()

    def cookies(self, hop: Hop, fields: Fields) -> dict[str, str]:
        """The Cookie field for a hop: with `--forward-cookies`, and within the request's host.

        All ports of a host share cookies in browsers (RFC 6265 section 8.5).
        """
        cookies = [value for name, value in fields if name.lower() == b"cookie"]
        if not cookies or not self._options.cookies:
            return {}
        try:
            host, _ = parse_authority(value_of(fields, b"host").encode("latin-1"))
            origin = FetchOrigin.of(parse_url(hop.url))
        except (RequestError, ValueError):
            return {}  # cookies cannot belong to a malformed host
        if host != origin.host:
            return {}
        return {"Cookie": b"; ".join(cookies).decode("ascii", "replace")}

    def share(self) -> BudgetShare:
        """The memory for a response; it raises BadChain when the budget is spent."""
        return self._deliveries.share()

    def put(self, delivery: ChainDelivery) -> bool:
        """Queue a delivery on its reserved place; False if the program ends.

        In a dry run the hop is published and not sent.
        """
        if not self._options.dry_run:
            return self._deliveries.put(delivery)
        delivery.answer.drop()
        self._deliveries.release()
        # Nothing has been sent, so the same request is not a retry.
        self._loop_detector.leave(delivery.hop.rest.id)
        self._reporter.step("would go", delivery.hop.rest.id, delivery.hop)
        return True

    @property
    def reply_fields(self) -> Sequence[str]:
        return self._options.reply_fields

    # Outcomes

    def ended(self, chain: Chain, request: Request, status: int) -> None:
        """Publish that a chain has no further hop."""
        self._reporter.step("ended", chain.id, request, status)

    def delivered(self, delivery: ChainDelivery, outcome: DeliveryOutcome) -> None:
        """Publish the outcome of a delivery, successful or failed."""
        if outcome.message:
            self._loop_detector.leave(delivery.hop.rest.id)
        self._reporter.delivered(delivery.hop, outcome)

    def failed(self, report: Report) -> None:
        """Queue the report of a chain's failed request; the chain may then be sent again."""
        self._loop_detector.leave(report.chain.id)
        if self._options.dry_run:
            self._reporter.error_report("would send error to", report)
        elif not self._deliveries.put_report(report):
            self._reporter.error_report("error not sent to", report, "too many reports wait")

    async def send_report(self, report: Report) -> None:
        """Send an error report to the chain's X-Forward-Errors-To, and publish the outcome."""
        problem = await send_report(report, self._outgoing, self._destinations)
        outcome = "error not sent to" if problem else "error sent to"
        self._reporter.error_report(outcome, report, problem)
