"""Errors of keys, with the lines where they stand."""

from pathlib import Path

import pytest

from httpprocessproxy.config.key_source import KeySource


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (("a", "b"), "f.toml:3: a.b: wrong"),
        (("a", "b", "c"), "f.toml:3: a.b.c: wrong"),
        (("a", "x"), "f.toml:2: a.x: wrong"),
        (("x",), "f.toml:1: x: wrong"),
        ((), "f.toml:1: wrong"),
    ],
)
def test_error_names_the_line_of_the_key_or_of_its_table(keys: tuple[str, ...], text: str) -> None:
    lines = {("tool",): 1, ("tool", "a"): 2, ("tool", "a", "b"): 3}
    assert str(KeySource(Path("f.toml"), lambda: lines, ("tool",)).error(keys, "wrong")) == text


def test_error_without_any_line_names_the_file() -> None:
    assert str(KeySource(Path("f.toml"), dict).error(("a",), "wrong")) == "f.toml: a: wrong"
