"""The loop detector: visits that pass, loops, retries, and the bounds of its memory."""

from dataclasses import replace

import pytest

from httpprocessproxy.companions.chains.chain import BadChain, Chain
from httpprocessproxy.companions.chains.loop_detector import (
    MAX_REMEMBERED,
    MAX_VISITS,
    REMEMBERED_S,
    LoopDetector,
)

START = Chain("a-1", "ORIGIN", "udp://localhost:9", ("http://b", "http://a"), ("", ""), ("", ""))
BACK = replace(START, referer="http://b/", to=(), queries=(), methods=())


def chain(id: str) -> Chain:  # noqa: A002 - the field's name
    return replace(START, id=id)


def refused(seen: LoopDetector, chain: Chain, now: float = 0.0) -> int:
    """The status of the refusal, or 0 for a chain that may pass."""
    try:
        seen.enter(chain, now)
    except BadChain as bad:
        return bad.status
    return 0


def test_chain_that_returns_with_a_shorter_route_passes() -> None:
    seen = LoopDetector()
    assert refused(seen, START) == 0
    assert refused(seen, BACK) == 0


def test_same_route_from_the_same_sender_is_a_retry() -> None:
    seen = LoopDetector()
    seen.enter(START, 0.0)
    assert refused(seen, START) == 409
    assert refused(seen, chain("A-1")) == 409
    assert refused(seen, chain("b-1")) == 0


def test_same_route_from_another_hop_is_a_loop() -> None:
    seen = LoopDetector()
    seen.enter(START, 0.0)
    assert refused(seen, replace(START, referer="http://b/")) == 508


@pytest.mark.parametrize(
    "other",
    [
        replace(START, to=("http://b", "http://c")),
        replace(START, queries=("n=1", "")),
        replace(START, methods=("POST", "PUT")),
        replace(START, to=("http://b",), queries=("",), methods=("",)),
    ],
)
def test_another_route_is_another_visit(other: Chain) -> None:
    seen = LoopDetector()
    seen.enter(START, 0.0)
    assert refused(seen, other) == 0


def test_chain_whose_handler_adds_another_step_each_time_is_a_loop() -> None:
    seen = LoopDetector()
    steps = [replace(START, queries=(f"n={number}", "")) for number in range(MAX_VISITS + 1)]
    assert [refused(seen, step) for step in steps] == [0] * MAX_VISITS + [508]


def test_failed_chain_may_be_sent_again() -> None:
    seen = LoopDetector()
    seen.enter(START, 0.0)
    seen.enter(BACK, 0.0)
    seen.leave("A-1")
    seen.leave("never came")
    assert refused(seen, START) == 0
    assert refused(seen, BACK) == 0


def test_chain_is_forgotten_twenty_minutes_after_its_last_visit() -> None:
    seen = LoopDetector()
    seen.enter(chain("old"), 0.0)
    seen.enter(START, 0.0)
    seen.enter(BACK, REMEMBERED_S)
    assert refused(seen, chain("old"), REMEMBERED_S + 1) == 0
    assert refused(seen, START, REMEMBERED_S + 1) == 409


def test_oldest_chain_is_forgotten_when_the_memory_is_full() -> None:
    seen = LoopDetector()
    for number in range(MAX_REMEMBERED + 1):
        seen.enter(chain(str(number)), 0.0)
    assert refused(seen, chain(str(MAX_REMEMBERED))) == 409
    assert refused(seen, chain("0")) == 0
