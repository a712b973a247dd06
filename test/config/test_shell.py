"""Shell syntax, against `sh` itself: a command without it has the same words there."""

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.config.shell import needs_shell, shell_word, words_of
from test.deadline import PATIENCE_S

PLAIN = [
    "python manage.py runserver {port}",
    "node 'a b' \"c d\" --flag=1 -x",
    "a 'b && c' '$d' \"e | f\" 'g*'",
    'a "\\$b" \\$c',
    "bundle exec puma -C config/puma.rb",
    "a b#c 100%",
    "a/cd.sh exec",
]
SHELL = [
    "a && b",
    "a || b",
    "a; b",
    "a | b",
    "a &",
    "a > b",
    "a < b",
    "(a)",
    "`a`",
    "a $PORT",
    "a ${PORT:-1}",
    "a $(b)",
    "a $?",
    'a "$PORT"',
    'a "`b`"',
    "A=1 b",
    "A='x y' b",
    "cd a",
    "exec a",
    "a *.py",
    "a ~/b",
    "a [ab]c",
    "a # b",
    "# a",
    "if a",
]


@pytest.mark.parametrize("command", PLAIN)
def test_plain_command_starts_without_a_shell(command: str) -> None:
    assert not needs_shell(command)
    assert words_of(command) == tuple(shlex.split(command))


@pytest.mark.parametrize("command", SHELL)
def test_command_with_shell_syntax_starts_by_sh(command: str) -> None:
    assert needs_shell(command)
    assert words_of(command) == ("sh", "-c", command)


@pytest.mark.parametrize("command", ["a 'b", 'a "b && c', "a $PORT 'b"])
def test_open_quote_is_an_error(command: str) -> None:
    with pytest.raises(ValueError, match="closing quotation"):
        words_of(command)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a && b", "&&"),
        ("a | b", "|"),
        ("a ; b", ";"),
        ("a &", "&"),
        ("a > b", ">"),
        ("a 2>&1", "2>&1"),
        ("a 2>> b", "2>>"),
        ("a $PORT", "$PORT"),
        ("a ${PORT}", "${PORT}"),
        ("A=1 b", "A=1"),
        ("cd b", "cd"),
        ("a b=1 x$y *.py http://h/?a&b {port} cd $", ""),
        ("", ""),
    ],
)
def test_word_that_only_a_shell_acts_on_is_found(words: str, found: str) -> None:
    assert shell_word(words.split()) == found


CHARACTERS = st.sampled_from([*"ab'\"\\$ =*?~[]#;&|(){}!-", "cd ", "$A"])


@given(st.lists(CHARACTERS, max_size=8).map("".join))
def test_words_of_a_plain_command_are_those_of_sh(text: str) -> None:
    command = f"printf '%s\\n' x{text}"
    try:
        words = words_of(command)
    except ValueError:
        return
    if words[0] != "printf":
        return
    shown = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
        cwd=Path("/"),
        env={"A": "value"},
    ).stdout
    assert shown.splitlines() == list(words[2:])
