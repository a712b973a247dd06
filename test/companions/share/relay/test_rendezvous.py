"""What every rendezvous keeps to: the one in memory, and the one over Redis."""

import asyncio
import functools
from collections.abc import Callable

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.memory import Memory
from httpprocessproxy.companions.share.relay.pipe import CutError, Held, Pipe, pour, whole
from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous
from httpprocessproxy.companions.share.relay.visit import (
    FlowingBody,
    VisitError,
    VisitOutcome,
    VisitState,
)
from httpprocessproxy.companions.share.relay.waiters import Waiters
from test.companions.share.relay.rendezvous_checks import (
    HOST,
    Check,
    answering,
    enter_and_take,
    forget,
    take,
    visit,
)
from test.loops import eventually, turn


def test_a_visit_is_taken_answered_and_over(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        delivery = await enter_and_take(rendezvous, one)
        assert delivery.head == one.request.head
        assert await whole(delivery.body, 100, forget) == b"body"
        assert await rendezvous.take(HOST, tunnels=True) is None, "it is given once"
        delivery.delivered()
        answering = await rendezvous.answering(one.rid, HOST)
        assert answering is not None
        assert await rendezvous.answering(one.rid, HOST) is None, "so is the right to answer"
        answering.begin(AnswerHead(200, [("X", "y")], 6))
        await pour(Held(b"answer"), answering.body)
        await eventually(lambda: one.answer_head is not None)
        assert one.answer_head == AnswerHead(200, [("X", "y")], 6)
        assert await whole(one.answer, 100, forget) == b"answer"
        assert (await rendezvous.presence(HOST)).busy == 1
        rendezvous.leave(one)
        await delivery.over()
        assert (await rendezvous.presence(HOST)).busy == 0

    check(body)


def test_the_oldest_is_taken_first(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        visits = [visit() for _ in range(3)]
        for one in visits:
            await rendezvous.enter(one)
        taken = [await rendezvous.take(HOST, tunnels=False) for _ in range(3)]
        assert [one.head.rid for one in taken if one] == [one.rid for one in visits]

    check(body)


def test_no_more_wait_than_may(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        visits = [visit() for _ in range(4)]
        for one in visits[:3]:
            await rendezvous.enter(one)
        with pytest.raises(VisitError) as raised:
            await rendezvous.enter(visits[3])
        assert raised.value.outcome is VisitOutcome.QUEUE_FULL
        rendezvous.leave(visits[3])
        rendezvous.leave(visits[0])
        await rendezvous.enter(visits[3])

    check(body)


def test_a_tunnel_is_for_those_who_can(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        tunnel, other = visit(is_tunnel=True), visit()
        await rendezvous.enter(tunnel)
        await rendezvous.enter(other)
        taken = await take(rendezvous)
        assert taken.head.rid == other.rid
        assert await rendezvous.take(HOST, tunnels=False) is None
        taken = await take(rendezvous, tunnels=True)
        assert (taken.head.rid, taken.is_tunnel) == (tunnel.rid, True)

    check(body)


def test_who_has_left_is_not_taken(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        await rendezvous.enter(one)
        rendezvous.leave(one)
        rendezvous.leave(one)
        assert await rendezvous.take(HOST, tunnels=True) is None
        assert await rendezvous.answering(one.rid, HOST) is None

    check(body)


def test_who_is_withdrawn_is_not_taken_and_who_is_taken_not_withdrawn(
    check: Callable[[Check], None],
) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one, two = visit(), visit()
        await rendezvous.enter(one)
        assert await rendezvous.withdraw(one)
        assert await rendezvous.take(HOST, tunnels=True) is None
        await rendezvous.enter(two)
        assert await rendezvous.take(HOST, tunnels=True) is not None
        assert not await rendezvous.withdraw(two)
        assert two.state is VisitState.TAKEN

    check(body)


def test_a_visit_goes_back_to_the_front_once(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        rings: list[str] = []
        first, second = visit(), visit()
        await rendezvous.enter(first)
        await rendezvous.enter(second)
        delivery = await take(rendezvous)
        rendezvous.on_entered(rings.append)
        rings.clear()
        delivery.give_back()
        await eventually(lambda: HOST in rings)
        again = await take(rendezvous)
        assert again.head.rid == first.rid
        assert await whole(again.body, 100, forget) == b"body"
        again.give_back()
        await eventually(lambda: first.state is VisitState.OVER)
        assert first.error is not None
        assert first.error.outcome is VisitOutcome.NO_ANSWER

    check(body)


def test_what_was_answered_does_not_go_back(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        delivery = await enter_and_take(rendezvous, one)
        right = await answering(delivery)
        delivery.give_back()
        right.begin(AnswerHead(204, []))
        right.body.end()
        await eventually(lambda: one.answer_head is not None)
        assert await rendezvous.take(HOST, tunnels=False) is None

    check(body)


def test_who_refuses_tells_the_visitor(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one, two = visit(), visit()
        for each in (one, two):
            await rendezvous.enter(each)
        delivery = await take(rendezvous)
        delivery.refuse(VisitError(VisitOutcome.TOO_LARGE, "much too large"))
        await eventually(lambda: one.error is not None)
        assert one.error is not None
        assert (one.error.outcome, one.error.reason) == (VisitOutcome.TOO_LARGE, "much too large")
        await rendezvous.take(HOST, tunnels=False)
        answering = await rendezvous.answering(two.rid, HOST)
        assert answering is not None
        answering.begin(AnswerHead(200, []))
        answering.body.cut("lost")
        with pytest.raises(CutError, match="lost"):
            await two.answer.receive()

    check(body)


def test_nobody_answers_for_another_host(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        await rendezvous.enter(one)
        assert await rendezvous.answering(one.rid, HOST) is None, "not before it is taken"
        await rendezvous.take(HOST, tunnels=False)
        assert await rendezvous.answering(one.rid, "other.example.test") is None
        assert await rendezvous.answering("unknown", HOST) is None
        assert await rendezvous.answering(one.rid, HOST) is not None

    check(body)


def test_who_has_been_there(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        nobody = await rendezvous.presence(HOST)
        # One process takes the place of another, whose workers are on their way back.
        assert nobody.within(60) is isinstance(rendezvous, Memory)
        assert not nobody.streams
        await rendezvous.saw(HOST)
        seen = await rendezvous.presence(HOST)
        assert seen.within(5)
        assert not seen.streams
        await rendezvous.saw(HOST, streams=True)
        assert (await rendezvous.presence(HOST)).streams

    check(body)


def test_those_who_wait_are_served_in_order_and_nobody_who_has_gone(
    check: Callable[[Check], None],
) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        waiters = Waiters(rendezvous)
        gone = [False] * 4
        async with asyncio.TaskGroup() as tasks:
            waiting = []
            for number in range(4):
                next_visit = waiters.next_visit(
                    HOST, 60, functools.partial(gone.__getitem__, number)
                )
                waiting.append(tasks.create_task(next_visit, name=f"wait {number}"))
                await turn()
            assert waiters.counts[HOST] == 4
            waiting[0].cancel()
            gone[1] = True
            one = visit()
            await rendezvous.enter(one)
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

    check(body)


def test_who_is_cancelled_while_it_takes_has_taken_nothing(
    check: Callable[[Check], None],
) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        await rendezvous.enter(one)
        for turns in range(12):
            # Wherever it is when it is cancelled; three times would be too often for a return.
            async with asyncio.TaskGroup() as tasks:
                taking = tasks.create_task(rendezvous.take(HOST, tunnels=False), name="take")
                for _ in range(turns):
                    await asyncio.sleep(0)
                taking.cancel()
            if not taking.cancelled():
                break
        delivery = None if taking.cancelled() else taking.result()
        while delivery is None:
            delivery = await rendezvous.take(HOST, tunnels=False)
        assert delivery.head.rid == one.rid
        assert await delivery.answering() is not None

    check(body)


def test_a_pipe_is_a_source_for_bodies() -> None:
    """The types fit: what flows through a pipe may be a visitor's body."""
    assert FlowingBody(Pipe()).is_again
