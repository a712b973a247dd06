"""Names of downloads (RFC 6266)."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.archive.service.disposition import attachment

FIELD = re.compile(
    r'attachment; filename="(?P<plain>[ !#-\[\]-~]+)"'
    r"(?:; filename\*=UTF-8''(?P<full>(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-F]{2})+))?"
)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("", 'filename="all.zip"'),
        ("..", 'filename="all.zip"'),
        ("a b.zip", 'filename="a b.zip"'),
        ("../../etc/x.zip", 'filename="x.zip"'),
        ("C:\\x\\y.zip", 'filename="y.zip"'),
        ('a"b.zip', "filename=\"a_b.zip\"; filename*=UTF-8''a%22b.zip"),
        ("100%41.zip", "filename=\"100_41.zip\"; filename*=UTF-8''100%2541.zip"),
        ("caf\xe9.zip", "filename=\"cafe.zip\"; filename*=UTF-8''caf%C3%A9.zip"),
        ("\u65e5\u672c", "filename=\"all.zip\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("a\r\nSet-Cookie: b", 'filename="aSet-Cookie: b"'),
        ("a\u202egpj.exe", 'filename="agpj.exe"'),
    ],
)
def test_filename_is_sanitized_and_encoded(name: str, field: str) -> None:
    assert attachment(name, "all.zip") == f"attachment; {field}"


@given(st.text())
def test_arbitrary_name_gives_a_valid_field(name: str) -> None:
    match = FIELD.fullmatch(attachment(name, "all.zip"))
    assert match
    if match["full"]:
        full = unquote(match["full"], errors="strict")
        assert not set(full) & set("/\\\r\n\0")
        assert set(full) <= set(name)
