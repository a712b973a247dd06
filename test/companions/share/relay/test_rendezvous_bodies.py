"""Bodies and answers on their way through a rendezvous: whole, again, no faster than taken."""

import asyncio
import secrets
from collections.abc import Callable

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead
from httpprocessproxy.companions.share.relay.pipe import CutError, Held, pour, whole
from httpprocessproxy.companions.share.relay.rendezvous import Rendezvous
from httpprocessproxy.companions.share.relay.visit import (
    FlowingBody,
    HeldBody,
    VisitState,
)
from test.companions.share.relay.rendezvous_checks import (
    HOST,
    Check,
    answering,
    enter_and_take,
    forget,
    visit,
)
from test.loops import eventually, turn


@pytest.mark.parametrize("size_bytes", [64 * 1024, 64 * 1024 + 1, 3_000_000])
def test_large_bodies_are_whole_and_can_be_had_again(
    check: Callable[[Check], None], size_bytes: int
) -> None:
    data = secrets.token_bytes(size_bytes)

    async def body(rendezvous: Rendezvous) -> None:
        one = visit(body=HeldBody(data))
        first = await enter_and_take(rendezvous, one)
        assert await first.body.receive() == data[: 64 * 1024]
        first.give_back()
        await eventually(lambda: one.state is VisitState.QUEUED)
        second = None
        while second is None:
            second = await rendezvous.take(HOST, tunnels=False)
        assert await whole(second.body, size_bytes, forget) == data

    check(body)


def test_a_body_that_flows_is_sent_no_faster_than_it_is_taken(
    check: Callable[[Check], None],
) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        asked = 0

        class Endless:
            async def receive(self) -> bytes:
                nonlocal asked
                asked += 1
                return b"x" * 65_536

        one = visit(body=FlowingBody(Endless()))
        delivery = await enter_and_take(rendezvous, one)
        for _ in range(100):
            await delivery.body.receive()
        for _ in range(20):
            await turn()
        assert asked <= 100 + 16 + 1, "a window and no more"
        delivery.give_back()
        await eventually(lambda: one.error is not None)
        assert one.state is VisitState.OVER, "it cannot be had again"

    check(body)


def test_an_answer_is_sent_no_faster_than_it_is_taken(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        delivery = await enter_and_take(rendezvous, one)
        right = await answering(delivery)
        right.begin(AnswerHead(200, []))
        data = secrets.token_bytes(5_000_000)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(pour(Held(data), right.body), name="answer")
            for _ in range(30):
                await turn()
            assert not sending.done()
            assert await whole(one.answer, len(data), forget) == data
            await sending

    check(body)


def test_who_answers_one_who_has_left_is_told(check: Callable[[Check], None]) -> None:
    async def body(rendezvous: Rendezvous) -> None:
        one = visit()
        delivery = await enter_and_take(rendezvous, one)
        right = await answering(delivery)
        right.begin(AnswerHead(200, []))
        await eventually(lambda: one.answer_head is not None)
        rendezvous.leave(one)
        await delivery.over()
        with pytest.raises(CutError):
            await pour(Held(bytes(5_000_000)), right.body)

    check(body)
