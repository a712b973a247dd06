"""The rendezvous over Redis: what visitors here and workers here ask of it.

What other relays say of the visits of our visitors is in `home.py`; this is the whole of it.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import AsyncIterator, Callable, Collection

from httpprocessproxy.companions.share.relay.pipe import Held, Pipe, Source
from httpprocessproxy.companions.share.relay.rendezvous import (
    REMEMBERED_S,
    STREAM_FRESH_S,
    Answering,
    Presence,
    VisitDelivery,
)
from httpprocessproxy.companions.share.relay.shared import scripts
from httpprocessproxy.companions.share.relay.shared.bus import Bus, BusError
from httpprocessproxy.companions.share.relay.shared.ends import (
    RemoteAnswer,
    RemoteDelivery,
    Told,
    refusal,
)
from httpprocessproxy.companions.share.relay.shared.home import KINDS, Home, inline_body
from httpprocessproxy.companions.share.relay.shared.messages import (
    Message,
    decode_visit,
    encode_visit,
)
from httpprocessproxy.companions.share.relay.shared.pipes import Pipes
from httpprocessproxy.companions.share.relay.visit import (
    RelayVisit,
    VisitError,
    VisitOutcome,
    VisitState,
)


class Shared:
    """A `Rendezvous` for the visits and workers of all relays that use the same Redis."""

    def __init__(self, bus: Bus, queue_limit: int, deadline_s: float) -> None:
        """Visits are forgotten some time after `deadline_s`, whatever becomes of their relays."""
        self._bus = bus
        self._queue_limit = queue_limit
        self._taken_ms = round(deadline_s * 1000) + 5000
        self._pipes = Pipes(bus)
        self._home: Home
        self._deliveries: dict[str, tuple[Told, RemoteDelivery]] = {}
        self._ring: Callable[[str], None] = lambda host: None

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Shared"]:
        """Be a relay among others. Raises UserError if there is no Redis."""
        await self._bus.check()
        async with asyncio.TaskGroup() as tasks:
            self._home = Home(self._bus, self._pipes, tasks)
            tasks.create_task(self._bus.answer_questions(), name="ask Redis")
            await self._beat()
            tasks.create_task(self._bus.read_mailbox(self._handle), name="mailbox")
            heartbeat = tasks.create_task(self._live(), name="heartbeat")
            try:
                yield self
            finally:
                heartbeat.cancel()
                self._pipes.lose(())
                self._bus.stop()
        await self._bus.close()

    @property
    def is_up(self) -> bool:
        """Whether Redis answers."""
        return self._bus.is_up

    def on_entered(self, ring: Callable[[str], None]) -> None:
        self._ring = ring

    # For visitors here

    async def enter(self, visit: RelayVisit) -> None:
        self._home.add(visit)
        asked = self._bus.ask(
            *(scripts.ENTER, visit.rid, visit.request.host),
            *(self._queue_limit, 2 * self._taken_ms),
            *self._description(visit),
        )
        try:
            is_in = await asyncio.shield(asked)
        except BusError:
            raise VisitError(VisitOutcome.NO_WORKER, "Redis does not answer") from None
        if not is_in:
            raise VisitError(VisitOutcome.QUEUE_FULL, "too many visits wait")

    async def withdraw(self, visit: RelayVisit) -> bool:
        asked = self._bus.ask(scripts.WITHDRAW, visit.rid, visit.request.host)
        try:
            is_out = await asyncio.shield(asked)
        except BusError:
            # Nobody else can take it either, as long as Redis is away.
            return visit.state is VisitState.QUEUED
        if not is_out:
            visit.took()
        return bool(is_out)

    def leave(self, visit: RelayVisit) -> None:
        if self._home.remove(visit):
            self._bus.ask(scripts.LEAVE, visit.rid, visit.request.host)
            visit.close()

    async def presence(self, host: str) -> Presence:
        try:
            reply = await asyncio.shield(self._bus.ask(scripts.PRESENCE, host))
        except BusError:
            return Presence()
        assert isinstance(reply, list)
        idle_ms, busy, streams = reply
        return Presence(idle_ms / 1000 if idle_ms >= 0 else math.inf, busy, bool(streams))

    # For workers here

    async def saw(self, host: str, streams: bool = False) -> None:
        times_ms = (round(REMEMBERED_S * 1000), round(STREAM_FRESH_S * 1000))
        # Waited for: once a worker waits, all relays know that there is one.
        with contextlib.suppress(BusError):
            await asyncio.shield(self._bus.ask(scripts.SAW, host, int(streams), *times_ms))

    async def take(self, host: str, tunnels: bool) -> VisitDelivery | None:
        asked = self._bus.ask(scripts.TAKE, host, self._bus.name, int(tunnels), self._taken_ms)
        try:
            reply = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(self._untake)
            raise
        except BusError:
            return None
        return None if reply is None else self._delivery(host, self._told(reply))

    async def answering(self, rid: str, host: str) -> Answering | None:
        asked = self._bus.ask(scripts.CLAIM, rid, host, self._bus.name)
        try:
            reply = await asyncio.shield(asked)
        except asyncio.CancelledError:
            asked.add_done_callback(lambda done: self._unclaim(rid, done))
            raise
        except BusError:
            return None
        if not isinstance(reply, bytes):
            return None
        home = reply.decode()
        sink = self._pipes.sink(_answer_pipe(rid), home)
        return RemoteAnswer(rid, sink, lambda message: self._bus.post(home, message))

    def _description(self, visit: RelayVisit) -> list[str | bytes]:
        """The fields of a visit in Redis."""
        request = visit.request
        fields = ["home", self._bus.name, "tunnel", str(int(request.is_tunnel))]
        body = inline_body(visit)
        inline = [] if body is None else [b"body", body]
        return [*fields, "head", encode_visit(request.head), *inline]

    def _told(self, reply: object) -> Told:
        """What TAKE has found."""
        assert isinstance(reply, list)
        _, home, head, tunnel, number, body = reply
        assert isinstance(home, bytes)
        return Told(
            self._bus.name, home.decode(), decode_visit(head), tunnel == b"1", number.decode(), body
        )

    def _delivery(self, host: str, told: Told) -> VisitDelivery:
        rid = told.head.rid
        delivery = RemoteDelivery(
            told,
            self._body(told),
            lambda message: self._post_home(told, message),
            lambda: self.answering(rid, host),
        )
        self._deliveries[rid] = told, delivery
        return delivery

    def _body(self, told: Told) -> Source:
        if told.body is not None:
            return Held(told.body)
        pipe = Pipe()
        self._pipes.receive(_body_pipe(told), told.home, pipe)
        want = Message("want", (told.head.rid, told.me, told.number))
        self._bus.post(told.home, want)
        return pipe

    def _post_home(self, told: Told, message: Message) -> None:
        if message.kind in ("returned", "refuse"):
            self._forget(told.head.rid)
        self._bus.post(told.home, message)

    def _forget(self, rid: str) -> None:
        """A visit is in our worker's hands no more."""
        if rid in self._deliveries:
            told, delivery = self._deliveries.pop(rid)
            self._pipes.forget(_body_pipe(told), "the worker has gone")
            delivery.end()

    def _untake(self, asked: "asyncio.Future[object]") -> None:
        """Nobody was there any more to get what was taken."""
        if asked.exception() is None and (reply := asked.result()) is not None:
            told = self._told(reply)
            self._bus.post(told.home, Message("untook", (told.head.rid,)))

    def _unclaim(self, rid: str, asked: "asyncio.Future[object]") -> None:
        if asked.exception() is None and isinstance(home := asked.result(), bytes):
            error = VisitError(VisitOutcome.BAD_ANSWER, "the worker died while it answered")
            self._bus.post(home.decode(), refusal(rid, error))

    # From other relays

    def _handle(self, message: Message) -> None:
        if message.kind in KINDS:
            self._home.handle(message)
        elif message.kind == "ring":
            self._ring(message.words[0])
        elif message.kind == "over":
            rid = message.words[0]
            self._forget(rid)
            self._pipes.stop(_answer_pipe(rid), "the visitor has left")
        else:
            self._pipes.handle(message)

    async def _live(self) -> None:
        """Say that we live, and notice who does not."""
        while True:
            await asyncio.sleep(scripts.BEAT_S)
            with contextlib.suppress(BusError):
                living = await self._beat()
                self._pipes.lose(living)
                self._home.lose(living)
                self._lose(living)

    async def _beat(self) -> frozenset[str]:
        reply = await self._bus.ask(scripts.BEAT, self._bus.name)
        assert isinstance(reply, list)
        return frozenset(relay.decode() for relay in reply)

    def _lose(self, living: Collection[str]) -> None:
        """The visitors of relays that live no more are gone, too."""
        for rid, (told, _) in list(self._deliveries.items()):
            if told.home not in living:
                self._forget(rid)


def _answer_pipe(rid: str) -> str:
    return f"answer:{rid}"


def _body_pipe(told: Told) -> str:
    return f"body:{told.head.rid}:{told.number}"


def connect(url: str, queue_limit: int, deadline_s: float) -> Shared:
    """The rendezvous over this Redis, to be opened. Raises UserError."""
    return Shared(Bus(url, secrets.token_urlsafe(9)), queue_limit, deadline_s)
