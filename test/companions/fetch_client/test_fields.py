"""Header fields that an untrusted source may or may not set."""

import pytest

from httpprocessproxy.companions.fetch_client import Refused, check_fields
from httpprocessproxy.companions.fetch_client.fields import MAX_FIELDS, MAX_FIELDS_BYTES

GOOD = {"Accept": "text/html", "Authorization": "Bearer x", "Cookie": "a=b", "X-Name": "Jürgen\t"}


def test_permitted_fields_pass() -> None:
    check_fields(GOOD)


BAD = [
    *("Host", "host", "Connection", "Transfer-Encoding", "Content-Length", "Upgrade", "TE"),
    *("Keep-Alive", "Trailer", "Proxy-Authorization", "Proxy-Connection", "Expect", "Via"),
    *("Forwarded", "X-Forwarded-For", "X_Forwarded_For", "X-Forward-To", "Sec-Fetch-Site"),
    *("X-Real-IP", "Content_Length", "", "A B", "A:", "A\r\nB", "Ä"),
]


@pytest.mark.parametrize("name", BAD)
def test_forbidden_or_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        check_fields({name: "x"})


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\rb", "a\0b", "a\x7f", "\ud800"])
def test_value_with_control_characters_is_refused(value: str) -> None:
    with pytest.raises(Refused, match="control characters"):
        check_fields({"X-Name": value})


def test_too_many_or_too_large_fields_are_refused() -> None:
    with pytest.raises(Refused, match="at most"):
        check_fields({f"x-{number}": "" for number in range(MAX_FIELDS + 1)})
    with pytest.raises(Refused, match="at most"):
        check_fields({"x": "y" * MAX_FIELDS_BYTES})
