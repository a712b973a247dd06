"""The lines of keys, against tables and against tomllib."""

import tomllib
from collections.abc import Iterator, Mapping

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.config.positions import key_lines

FILE = r'''# a comment with "a quote and = and [
bind = 8000  # one

[ service . api ]
exec = """a
b \""" = [c]
"""""
route = [  # several
  "/api/**",
  ["}", 'x'], {inner = 1},
]
env = {A = "1", B = {C = 'x # y', "d e" = 2}, F.G = 3}

[service.web]
exec = QQQa = 1
[b]QQQ
"quoted.key".dotted = 1979-05-27 07:32:00
last = true
[[list]]
one = 1
[[list]]
two = -1.5e3'''.replace("QQQ", "'''")

LINES = {
    "bind": 2,
    "service": 4,
    "service api": 4,
    "service api exec": 5,
    "service api route": 8,
    "service api route inner": 10,
    "service api env": 12,
    "service api env A": 12,
    "service api env B C": 12,
    "service api env B d e": 12,
    "service api env F G": 12,
    "service web": 14,
    "service web exec": 15,
    "service web quoted.key": 17,
    "service web quoted.key dotted": 17,
    "service web last": 18,
    "list": 19,
    "list one": 20,
    "list two": 22,
}


def test_keys_have_the_lines_where_they_stand() -> None:
    tomllib.loads(FILE)
    found = {" ".join(keys): line for keys, line in key_lines(FILE).items()}
    assert {name: found[name] for name in LINES} == LINES
    assert set(found) - set(LINES) == {"service api env B", "service api env F"}


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "a = 1\r\nb = 2\r\n"])
def test_short_files_are_read(text: str) -> None:
    assert len(key_lines(text)) == text.count("=")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
KEYS = st.sampled_from(["a", "b", "c d", "é", ""])
VALUES = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=9,
)


def paths(value: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield (*above, key)
            yield from paths(member, (*above, key))
    elif isinstance(value, list):
        for member in value:
            yield from paths(member, above)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_every_key_of_a_valid_file_has_a_line(content: dict[str, object], is_long: bool) -> None:
    text = tomli_w.dumps(content, multiline_strings=is_long)
    assert set(paths(tomllib.loads(text))) == set(key_lines(text))
