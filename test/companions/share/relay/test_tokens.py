"""The token file: its lines, the check of a token, and reloads."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from httpprocessproxy.companions.share.relay.tokens import Tokens
from httpprocessproxy.core.errors import UserError


def read(path: Path, text: str) -> Tokens:
    path.write_text(text)
    return Tokens(path, "example.test")


def test_token_is_valid_for_its_own_host_only(tmp_path: Path) -> None:
    tokens = read(tmp_path / "t", "# all of them\n\n one  a#1\t# not this\nTwo b\nx.other.test c\n")
    assert tokens.fits("one.example.test", "a")
    assert tokens.fits("two.example.test", "b")
    assert tokens.fits("x.other.test", "c")
    for host, token in [
        ("one.example.test", "b"),
        ("one.example.test", ""),
        ("one.example.test", "A"),
        ("one.example.test", "a#1"),
        ("none.example.test", "a"),
        ("one", "a"),
        ("x.other.test.example.test", "c"),
    ]:
        assert not tokens.fits(host, token), (host, token)
    assert tokens.knows("one.example.test")
    assert not tokens.knows("none.example.test")


def test_token_matches_its_hash_in_the_file(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"hidden").hexdigest()
    for text in (f"one sha256:{digest}", f"one SHA256:{digest.upper()}"):
        tokens = read(tmp_path / "t", text)
        assert tokens.fits("one.example.test", "hidden")
        assert not tokens.fits("one.example.test", digest)
        assert not tokens.fits("one.example.test", text.split()[1])


def test_token_is_not_kept_in_memory(tmp_path: Path) -> None:
    tokens = read(tmp_path / "t", "one hidden\n")
    assert "hidden" not in str(vars(tokens))


def test_name_without_a_dot_becomes_a_subdomain(tmp_path: Path) -> None:
    tokens = read(tmp_path / "t", "")
    assert tokens.full_name("One") == "one.example.test"
    assert tokens.full_name("one.example.test.") == "one.example.test"
    assert tokens.full_name("x.other.test") == "x.other.test"
    assert tokens.full_name("one:8443") == "one.example.test"
    assert tokens.full_name("x.other.test:8443") == "x.other.test"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("one x\ntwo\n", "line 2: write NAME TOKEN, or NAME sha256:HEX"),
        ("one x\n\n# ok\none y\n", "line 4: one.example.test is already taken"),
        ("one x\none.example.test hidden\n", "line 2: one.example.test is already taken"),
        ("example.test x\n", "line 1: example.test is already taken"),
        ("one hidden y\n", "line 1: write NAME TOKEN, or NAME sha256:HEX"),
        ("o/e hidden\n", "line 1: NAME is not a host name"),
        ("-one hidden\n", "line 1: NAME is not a host name"),
        ("one..two hidden\n", "line 1: NAME is not a host name"),
        ("one sha256:hidden\n", "line 1: sha256: takes 64 hexadecimal digits"),
        ("one hid\u00e9den\n", "line 1: TOKEN must consist of visible ASCII characters"),
    ],
)
def test_malformed_line_is_named_without_its_token(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(UserError) as raised:
        read(tmp_path / "t", text)
    assert str(raised.value) == f"{tmp_path}/t, {complaint}"


def test_unreadable_file_raises_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: No such file"):
        Tokens(tmp_path / "none", "example.test")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        Tokens(tmp_path / "binary", "example.test")


def test_changed_file_is_reloaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t"
    tokens = read(path, "one a\n")
    assert not tokens.refresh()
    path.write_text("one b\ntwo c\n")
    assert tokens.refresh()
    assert not tokens.fits("one.example.test", "a")
    assert tokens.fits("one.example.test", "b")
    assert not tokens.refresh()
    path.write_text("one b\n\ntwo c\n")
    assert not tokens.refresh(), "the tokens have not changed"
    with caplog.at_level(logging.ERROR):
        for change in (lambda: path.write_text("one hidden x\n"), lambda: os.unlink(path)):
            change()
            assert not tokens.refresh()
            assert not tokens.refresh()
            assert tokens.fits("one.example.test", "b")
    assert len(caplog.records) == 2, "each failure is logged once"
    assert "hidden" not in caplog.text
