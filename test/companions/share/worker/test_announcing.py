"""The announcement of a share, and its QR code."""

import os
import sys
from collections.abc import Sequence

import pytest

from httpprocessproxy.companions.share.worker import announcing
from httpprocessproxy.companions.share.worker.announcing import (
    announcement,
    qr_code,
    render_modules,
)
from httpprocessproxy.companions.share.worker.options import ShareOptions

URL = "https://demo.example.test/"


def test_announcement_has_the_url_and_the_access_rules() -> None:
    assert announcement(ShareOptions("https://r.test", "a").settings()) == (
        "share: https://a.r.test/ (anyone who knows this address can reach it)"
    )
    closed = ShareOptions("https://r.test", "a", auth="ann:x", allow=("get /a/*",)).settings()
    assert announcement(closed) == (
        "share: https://a.r.test/ (visitors need the password of ann; shared is only GET /a/*)"
    )


def test_two_rows_of_modules_are_rendered_per_line() -> None:
    assert render_modules([[1, 0], [1, 0], [0, 1]]) == " █\n█▄"


def test_qr_code_matches_the_modules_of_segno(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_qr_code_is_none_when_terminal_is_too_narrow(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(announcing, "_columns", lambda: columns)
    assert qr_code(URL) is None


def test_qr_code_is_none_without_segno(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    monkeypatch.setattr(announcing, "_columns", lambda: 80)
    assert qr_code(URL) is None
