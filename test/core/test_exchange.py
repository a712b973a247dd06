"""Requests that lost their backend connection: all 128 cases (RFC 9110 section 9.2.2)."""

from itertools import product

import pytest
from httpprocessproxy.core.http.replay import Fate, Loss, Progress, fate

REFUSED, HUNG_UP, BROKEN_OFF, RESTARTED = Loss
AGAIN, GATE, SUSPECT, BAD_GATEWAY, CUT = Fate

# `?` matches both. The first matching row decides.
#   answered  sent  repeatable  reused  suspected
TABLE = """
       yes     ?         ?        ?        ?      CUT          CUT          CUT          CUT
        no   yes        no        ?        ?      BAD_GATEWAY  BAD_GATEWAY  BAD_GATEWAY  BAD_GATEWAY
        no     ?         ?      yes       no      SUSPECT      AGAIN        SUSPECT      GATE
        no     ?         ?      yes      yes      BAD_GATEWAY  AGAIN        BAD_GATEWAY  GATE
        no     ?         ?       no       no      SUSPECT      SUSPECT      SUSPECT      GATE
        no     ?         ?       no      yes      BAD_GATEWAY  BAD_GATEWAY  BAD_GATEWAY  GATE
"""  # REFUSED, HUNG_UP, BROKEN_OFF, RESTARTED

ROWS = [line.split() for line in TABLE.splitlines() if line]
CASES = list(product(Loss, *[(False, True)] * 5))


def expected(loss: Loss, progress: tuple[bool, ...]) -> Fate:
    flags = ["yes" if flag else "no" for flag in progress]
    fits = (row for row in ROWS if all(a in ("?", b) for a, b in zip(row[:5], flags, strict=True)))
    return Fate[next(fits)[5 + list(Loss).index(loss)]]


@pytest.mark.parametrize(("loss", "answered", "sent", "repeatable", "reused", "suspected"), CASES)
def test_every_case_follows_the_table(
    loss: Loss, answered: bool, sent: bool, repeatable: bool, reused: bool, suspected: bool
) -> None:
    progress = Progress(sent, repeatable, reused, answered, suspected)
    assert fate(loss, progress) is expected(loss, (answered, sent, repeatable, reused, suspected))


# The guarantees, each tested on its own: every change of the table must keep them.


def every(**fixed: bool) -> list[Progress]:
    names = ("sent", "repeatable", "reused", "answered", "suspected")
    free = [name for name in names if name not in fixed]
    flags = product((False, True), repeat=len(free))
    return [Progress(**fixed, **dict(zip(free, chosen, strict=True))) for chosen in flags]


@pytest.mark.parametrize("loss", Loss)
def test_unrepeatable_request_is_never_sent_twice(loss: Loss) -> None:
    for progress in every(sent=True, repeatable=False):
        assert fate(loss, progress) in (BAD_GATEWAY, CUT)


@pytest.mark.parametrize("loss", Loss)
def test_response_that_has_begun_is_cut(loss: Loss) -> None:
    for progress in every(answered=True):
        assert fate(loss, progress) is CUT


@pytest.mark.parametrize("loss", Loss)
def test_response_that_has_not_begun_is_not_cut(loss: Loss) -> None:
    for progress in every(answered=False):
        assert fate(loss, progress) is not CUT


def test_unsent_or_repeatable_request_waits_at_the_gate_after_a_restart() -> None:
    for progress in [*every(sent=False, answered=False), *every(repeatable=True, answered=False)]:
        assert fate(RESTARTED, progress) is GATE


def test_request_to_a_live_backend_is_not_retried_without_end() -> None:
    """After the backend was found alive, only a failure of a reused connection allows a retry."""
    for progress in every(suspected=True, reused=False):
        assert fate(HUNG_UP, progress) in (BAD_GATEWAY, CUT)
    for progress in every(suspected=True):
        assert fate(REFUSED, progress) in (BAD_GATEWAY, CUT)
        assert fate(BROKEN_OFF, progress) in (BAD_GATEWAY, CUT)
