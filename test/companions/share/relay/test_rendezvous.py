"""The rendezvous: order, limit and requeues of its queue, and the flow control of bodies."""

import asyncio
import functools
import secrets

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.pipe import BytesSource, CutError, Pipe, pour, whole
from httpprocessproxy.companions.share.relay.rendezvous import Answering, Rendezvous, VisitDelivery
from httpprocessproxy.companions.share.relay.visit import (
    BufferedBody,
    RelayVisit,
    StreamedBody,
    VisitBody,
    VisitError,
    VisitOutcome,
    VisitRequest,
    VisitState,
)
from httpprocessproxy.companions.share.relay.waiters import Waiters
from test.loops import on_every_loop, turn

HOST = "host.example.test"


def forget(size_bytes: int) -> None:
    """Ignore the size of a piece."""


def visit(body: VisitBody | None = None, is_tunnel: bool = False) -> RelayVisit:
    head = VisitHead(secrets.token_urlsafe(9), "POST", "/a?b", "::1", [("X-A", "\u00e9")])
    return RelayVisit(VisitRequest(HOST, head, body or BufferedBody(b"body"), is_tunnel))


def take(rendezvous: Rendezvous, *, tunnels: bool = False) -> VisitDelivery:
    """Take a visit, which must be queued."""
    delivery = rendezvous.take(HOST, tunnels)
    assert delivery is not None, "the queue is empty"
    return delivery


def enter_and_take(rendezvous: Rendezvous, one: RelayVisit) -> VisitDelivery:
    """Queue a visit in an empty queue, and take it."""
    rendezvous.enter(one)
    return take(rendezvous)


def answering(delivery: VisitDelivery) -> Answering:
    """Claim the right to answer, which must be free."""
    right = delivery.answering()
    assert right is not None, "the right was claimed before"
    return right


@on_every_loop
async def test_visit_is_taken_and_answered_once_and_ends() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    delivery = enter_and_take(rendezvous, one)
    assert delivery.head == one.request.head
    assert await whole(delivery.body, 100, forget) == b"body"
    assert rendezvous.take(HOST, tunnels=True) is None, "a visit is delivered once"
    delivery.delivered()
    answering = rendezvous.answering(one.rid, HOST)
    assert answering is not None
    assert rendezvous.answering(one.rid, HOST) is None, "a visit is answered once"
    answering.begin(AnswerHead(200, [("X", "y")], 6))
    await pour(BytesSource(b"answer"), answering.body)
    assert one.answer_head is not None
    assert one.answer_head == AnswerHead(200, [("X", "y")], 6)
    assert await whole(one.answer, 100, forget) == b"answer"
    assert rendezvous.presence(HOST).busy == 1
    rendezvous.leave(one)
    await delivery.over()
    assert rendezvous.presence(HOST).busy == 0


def test_oldest_visit_is_taken_first() -> None:
    rendezvous = Rendezvous(3)
    visits = [visit() for _ in range(3)]
    for one in visits:
        rendezvous.enter(one)
    taken = [rendezvous.take(HOST, tunnels=False) for _ in range(3)]
    assert [one.head.rid for one in taken if one] == [one.rid for one in visits]


def test_full_queue_refuses_a_visit_until_one_leaves() -> None:
    rendezvous = Rendezvous(3)
    visits = [visit() for _ in range(4)]
    for one in visits[:3]:
        rendezvous.enter(one)
    with pytest.raises(VisitError) as raised:
        rendezvous.enter(visits[3])
    assert raised.value.outcome is VisitOutcome.QUEUE_FULL
    rendezvous.leave(visits[3])
    rendezvous.leave(visits[0])
    rendezvous.enter(visits[3])


def test_tunnel_is_taken_only_by_a_worker_that_accepts_tunnels() -> None:
    rendezvous = Rendezvous(3)
    tunnel, other = visit(is_tunnel=True), visit()
    rendezvous.enter(tunnel)
    rendezvous.enter(other)
    taken = take(rendezvous)
    assert taken.head.rid == other.rid
    assert rendezvous.take(HOST, tunnels=False) is None
    taken = take(rendezvous, tunnels=True)
    assert (taken.head.rid, taken.is_tunnel) == (tunnel.rid, True)


def test_visit_of_a_visitor_who_left_is_not_taken() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    rendezvous.enter(one)
    rendezvous.leave(one)
    rendezvous.leave(one)
    assert rendezvous.take(HOST, tunnels=True) is None
    assert rendezvous.answering(one.rid, HOST) is None


def test_withdrawn_visit_is_not_taken_and_taken_visit_is_not_withdrawn() -> None:
    rendezvous = Rendezvous(3)
    one, two = visit(), visit()
    rendezvous.enter(one)
    assert rendezvous.withdraw(one)
    assert rendezvous.take(HOST, tunnels=True) is None
    rendezvous.enter(two)
    assert rendezvous.take(HOST, tunnels=True) is not None
    assert not rendezvous.withdraw(two)
    assert two.state is VisitState.TAKEN


@on_every_loop
async def test_undelivered_visit_returns_to_the_front_once() -> None:
    rendezvous = Rendezvous(3)
    rings: list[str] = []
    first, second = visit(), visit()
    rendezvous.enter(first)
    rendezvous.enter(second)
    delivery = take(rendezvous)
    rendezvous.on_queued(rings.append)
    rings.clear()
    delivery.requeue()
    assert HOST in rings
    again = take(rendezvous)
    assert again.head.rid == first.rid
    assert await whole(again.body, 100, forget) == b"body"
    again.requeue()
    assert first.state is VisitState.OVER
    assert first.error is not None
    assert first.error.outcome is VisitOutcome.NO_ANSWER


def test_answered_visit_is_not_requeued() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    delivery = enter_and_take(rendezvous, one)
    right = answering(delivery)
    delivery.requeue()
    right.begin(AnswerHead(204, []))
    right.body.end()
    assert one.answer_head is not None
    assert rendezvous.take(HOST, tunnels=False) is None


@on_every_loop
async def test_refusal_reaches_the_visitor() -> None:
    rendezvous = Rendezvous(3)
    one, two = visit(), visit()
    for each in (one, two):
        rendezvous.enter(each)
    delivery = take(rendezvous)
    delivery.refuse(VisitError(VisitOutcome.TOO_LARGE, "much too large"))
    assert one.error is not None
    assert one.error is not None
    assert (one.error.outcome, one.error.reason) == (VisitOutcome.TOO_LARGE, "much too large")
    rendezvous.take(HOST, tunnels=False)
    answering = rendezvous.answering(two.rid, HOST)
    assert answering is not None
    answering.begin(AnswerHead(200, []))
    answering.body.cut("lost")
    with pytest.raises(CutError, match="lost"):
        await two.answer.receive()


def test_worker_of_another_host_cannot_answer() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    rendezvous.enter(one)
    assert rendezvous.answering(one.rid, HOST) is None, "an untaken visit cannot be answered"
    rendezvous.take(HOST, tunnels=False)
    assert rendezvous.answering(one.rid, "other.example.test") is None
    assert rendezvous.answering("unknown", HOST) is None
    assert rendezvous.answering(one.rid, HOST) is not None


def test_presence_is_recent_after_a_call_and_streams_after_a_streaming_one() -> None:
    rendezvous = Rendezvous(3)
    unknown = rendezvous.presence(HOST)
    # A relay that has just started assumes that workers are reconnecting.
    assert unknown.within(60)
    assert not unknown.streams
    rendezvous.record_presence(HOST)
    seen = rendezvous.presence(HOST)
    assert seen.within(5)
    assert not seen.streams
    rendezvous.record_presence(HOST, streams=True)
    assert rendezvous.presence(HOST).streams


@on_every_loop
async def test_waiting_calls_are_served_in_order_without_closed_ones() -> None:
    rendezvous = Rendezvous(3)
    waiters = Waiters(rendezvous)
    gone = [False] * 4
    async with asyncio.TaskGroup() as tasks:
        waiting = []
        for number in range(4):
            next_visit = waiters.next_visit(HOST, 60, functools.partial(gone.__getitem__, number))
            waiting.append(tasks.create_task(next_visit, name=f"wait {number}"))
            await turn()
        assert waiters.counts[HOST] == 4
        waiting[0].cancel()
        gone[1] = True
        one = visit()
        rendezvous.enter(one)
        delivery = await waiting[2]
        assert delivery is not None
        assert delivery.head.rid == one.rid
        assert await waiting[1] is None
        assert not waiting[3].done()
        waiters.release()
        assert await waiting[3] is None
    assert waiters.counts[HOST] == 0
    assert await waiters.next_visit(HOST, 0.01, lambda: False) is None
    waiters.close()
    assert await waiters.next_visit(HOST, 60, lambda: False) is None


@on_every_loop
async def test_call_cancelled_during_take_has_taken_no_visit() -> None:
    rendezvous = Rendezvous(3)
    waiters = Waiters(rendezvous)
    cancelled = []
    for turns in range(12):
        # The call is cancelled at each point between the entry of a visit and its delivery.
        one = visit()
        async with asyncio.TaskGroup() as tasks:
            next_visit = waiters.next_visit(HOST, 60, lambda: False)
            taking = tasks.create_task(next_visit, name="take")
            await turn()
            assert waiters.counts[HOST] == 1
            rendezvous.enter(one)
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
        cancelled.append(taking.cancelled())
        delivery = take(rendezvous) if taking.cancelled() else taking.result()
        assert delivery is not None
        assert delivery.head.rid == one.rid
        assert delivery.answering() is not None
        rendezvous.leave(one)
    assert set(cancelled) == {True, False}


def test_pipe_is_accepted_as_source_of_a_streamed_body() -> None:
    """The types match: a pipe may be the source of a visitor's body."""
    assert StreamedBody(Pipe()).is_repeatable


@pytest.mark.parametrize("size_bytes", [64 * 1024, 64 * 1024 + 1, 3_000_000])
@on_every_loop
async def test_large_buffered_body_is_complete_after_a_requeue(size_bytes: int) -> None:
    data = secrets.token_bytes(size_bytes)
    rendezvous = Rendezvous(3)
    one = visit(body=BufferedBody(data))
    first = enter_and_take(rendezvous, one)
    assert await first.body.receive() == data[: 64 * 1024]
    first.requeue()
    assert one.state is VisitState.QUEUED
    second = take(rendezvous)
    assert await whole(second.body, size_bytes, forget) == data


@on_every_loop
async def test_streamed_body_is_read_no_faster_than_it_is_received() -> None:
    rendezvous = Rendezvous(3)
    asked = 0

    class Endless:
        async def receive(self) -> bytes:
            nonlocal asked
            asked += 1
            return b"x" * 65_536

    one = visit(body=StreamedBody(Endless()))
    delivery = enter_and_take(rendezvous, one)
    for _ in range(100):
        await delivery.body.receive()
    for _ in range(20):
        await turn()
    assert asked <= 100 + 16 + 1, "at most a window is read ahead"
    delivery.requeue()
    assert one.error is not None
    assert one.state is VisitState.OVER, "the body cannot be read again"


@on_every_loop
async def test_answer_is_sent_no_faster_than_it_is_received() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    delivery = enter_and_take(rendezvous, one)
    right = answering(delivery)
    right.begin(AnswerHead(200, []))
    data = secrets.token_bytes(5_000_000)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(pour(BytesSource(data), right.body), name="answer")
        for _ in range(30):
            await turn()
        assert not sending.done()
        assert await whole(one.answer, len(data), forget) == data
        await sending


@on_every_loop
async def test_answer_to_a_visitor_who_left_is_cut() -> None:
    rendezvous = Rendezvous(3)
    one = visit()
    delivery = enter_and_take(rendezvous, one)
    right = answering(delivery)
    right.begin(AnswerHead(200, []))
    assert one.answer_head is not None
    rendezvous.leave(one)
    await delivery.over()
    with pytest.raises(CutError):
        await pour(BytesSource(bytes(5_000_000)), right.body)
