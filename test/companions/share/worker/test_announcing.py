"""The line about a share, and the QR code, which a reader reads."""

import os
import sys
from collections.abc import Sequence

import pytest

from httpprocessproxy.companions.share.worker import announcing
from httpprocessproxy.companions.share.worker.announcing import announcement, drawn, qr_code
from httpprocessproxy.companions.share.worker.asking import ShareOptions

URL = "https://demo.example.test/"


def test_the_line_says_for_whom() -> None:
    assert announcement(ShareOptions("https://r.test", "a").settings()) == (
        "share: https://a.r.test/ (anybody who knows this address can reach it)"
    )
    closed = ShareOptions("https://r.test", "a", auth="ann:x", allow=("get /a/*",)).settings()
    assert announcement(closed) == (
        "share: https://a.r.test/ (visitors need the password of ann; shared is only GET /a/*)"
    )


def test_modules_are_drawn_two_to_a_character() -> None:
    assert drawn([[1, 0], [1, 0], [0, 1]]) == " █\n█▄"


def test_the_code_is_what_segno_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    import segno

    monkeypatch.setattr(os, "get_terminal_size", lambda fd: os.terminal_size((80, 24)))
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    code = qr_code(URL)
    assert code is not None
    rows = [row for line in code.split("\n") for row in undrawn(line)]
    made = [list(row) for row in segno.make(URL, error="l", micro=False).matrix_iter(1, 2)]
    assert rows[: len(made)] == [[module & 1 for module in row] for row in made]


def undrawn(line: str) -> Sequence[list[int]]:
    upper = [0 if character in "█▀" else 1 for character in line]
    lower = [0 if character in "█▄" else 1 for character in line]
    return upper, lower


@pytest.mark.parametrize("columns", [0, 20])
def test_no_code_without_room(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(announcing, "_columns", lambda: columns)
    assert qr_code(URL) is None


def test_no_code_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    monkeypatch.setattr(announcing, "_columns", lambda: 80)
    assert qr_code(URL) is None
