"""Requests that lost their backend connection: all 64 cases (RFC 9110 section 9.2.2)."""

from itertools import product

import pytest

from httpprocessproxy.core.exchange import (
    TRANSITIONS,
    Loss,
    Phase,
    Progress,
    event_of,
)
from httpprocessproxy.core.exchange import (
    ExchangeCommand as Command,
)
from httpprocessproxy.core.exchange import (
    ExchangeEvent as Event,
)

REFUSED, HUNG_UP, BROKEN_OFF, RESTARTED = Loss
WAITING, SENT, ANSWERING, UPLOADING, OVER = Phase

# `?` matches both. The first matching row decides.
#   sent  repeatable  reused  suspected
TABLE = """
     yes        no        ?        ?      RESPOND  RESPOND  RESPOND  RESPOND
       ?         ?      yes       no      SUSPECT  ENTER    SUSPECT  ENTER
       ?         ?      yes      yes      RESPOND  ENTER    RESPOND  ENTER
       ?         ?       no       no      SUSPECT  SUSPECT  SUSPECT  ENTER
       ?         ?       no      yes      RESPOND  RESPOND  RESPOND  ENTER
"""  # REFUSED, HUNG_UP, BROKEN_OFF, RESTARTED

ROWS = [line.split() for line in TABLE.splitlines() if line]
CASES = list(product(Loss, *[(False, True)] * 4))


def expected(loss: Loss, progress: tuple[bool, ...]) -> Command:
    flags = ["yes" if flag else "no" for flag in progress]
    fits = (row for row in ROWS if all(a in ("?", b) for a, b in zip(row[:4], flags, strict=True)))
    return Command[next(fits)[4 + list(Loss).index(loss)]]


@pytest.mark.parametrize("phase", [WAITING, SENT])
@pytest.mark.parametrize(("loss", "sent", "repeatable", "reused", "suspected"), CASES)
def test_loss_before_the_response_follows_the_table(
    phase: Phase, loss: Loss, sent: bool, repeatable: bool, reused: bool, suspected: bool
) -> None:
    event = event_of(loss, Progress(sent, repeatable, reused, suspected))
    after, command = TRANSITIONS[phase][event]
    assert command is expected(loss, (sent, repeatable, reused, suspected))
    assert after is (OVER if command is Command.RESPOND else WAITING)


@pytest.mark.parametrize(
    ("phase", "command"), [(ANSWERING, Command.CUT), (UPLOADING, Command.COMPLETE)]
)
@pytest.mark.parametrize(("loss", "sent", "repeatable", "reused", "suspected"), CASES)
def test_loss_after_the_response_has_begun_ends_the_exchange(
    phase: Phase,
    command: Command,
    loss: Loss,
    sent: bool,
    repeatable: bool,
    reused: bool,
    suspected: bool,
) -> None:
    event = event_of(loss, Progress(sent, repeatable, reused, suspected))
    assert TRANSITIONS[phase][event] == (OVER, command)


# The guarantees, each tested on its own: every change of the table must keep them.


def every(**fixed: bool) -> list[Progress]:
    names = ("sent", "repeatable", "reused", "suspected")
    free = [name for name in names if name not in fixed]
    flags = product((False, True), repeat=len(free))
    return [Progress(**fixed, **dict(zip(free, chosen, strict=True))) for chosen in flags]


@pytest.mark.parametrize("loss", Loss)
def test_unrepeatable_request_that_was_sent_fails(loss: Loss) -> None:
    for progress in every(sent=True, repeatable=False):
        assert event_of(loss, progress) is Event.FAILED


@pytest.mark.parametrize("phase", [WAITING, SENT])
def test_unsent_or_repeatable_request_waits_at_the_gate_after_a_restart(phase: Phase) -> None:
    for progress in [*every(sent=False), *every(repeatable=True)]:
        assert TRANSITIONS[phase][event_of(RESTARTED, progress)] == (WAITING, Command.ENTER)


def test_request_to_a_live_backend_is_not_retried_without_end() -> None:
    """After the backend was found alive, only a failure of a reused connection allows a retry."""
    for progress in every(suspected=True, reused=False):
        assert event_of(HUNG_UP, progress) is Event.FAILED
    for progress in every(suspected=True):
        assert event_of(REFUSED, progress) is Event.FAILED
        assert event_of(BROKEN_OFF, progress) is Event.FAILED
