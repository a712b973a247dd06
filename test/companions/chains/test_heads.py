"""Single fields of the raw heads that the data plane writes."""

from httpprocessproxy.companions.chains.heads import fields_of, value_of, without

HEAD = b" HTTP/1.1\r\nHost: me\r\nX-A: 1: 2\r\nx-a: 3\r\nEmpty: \r\n\r\n"


def test_fields_keep_their_order_and_case() -> None:
    assert fields_of(HEAD) == [(b"Host", b"me"), (b"X-A", b"1: 2"), (b"x-a", b"3"), (b"Empty", b"")]
    assert fields_of(HEAD[:-2]) == fields_of(HEAD)


def test_value_is_that_of_the_first_field_or_empty() -> None:
    assert value_of(fields_of(HEAD), b"x-a") == "1: 2"
    assert value_of(fields_of(HEAD), b"x-b") == ""


def test_fields_are_removed_in_any_case() -> None:
    assert without(HEAD, (b"x-a",)) == b" HTTP/1.1\r\nHost: me\r\nEmpty: \r\n\r\n"
    assert without(HEAD[:-2], (b"x-a",)) == b" HTTP/1.1\r\nHost: me\r\nEmpty: \r\n"
