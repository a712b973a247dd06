"""Single fields of heads that the data plane has written."""

from httpprocessproxy.companions.chains.heads import fields_of, value_of, without

HEAD = b" HTTP/1.1\r\nHost: me\r\nX-A: 1: 2\r\nx-a: 3\r\nEmpty: \r\n\r\n"


def test_fields_come_as_they_were_written() -> None:
    assert fields_of(HEAD) == [(b"Host", b"me"), (b"X-A", b"1: 2"), (b"x-a", b"3"), (b"Empty", b"")]
    assert fields_of(HEAD[:-2]) == fields_of(HEAD)


def test_the_first_value_counts() -> None:
    assert value_of(fields_of(HEAD), b"x-a") == "1: 2"
    assert value_of(fields_of(HEAD), b"x-b") == ""


def test_fields_are_taken_out_whatever_their_case() -> None:
    assert without(HEAD, (b"x-a",)) == b" HTTP/1.1\r\nHost: me\r\nEmpty: \r\n\r\n"
    assert without(HEAD[:-2], (b"x-a",)) == b" HTTP/1.1\r\nHost: me\r\nEmpty: \r\n"
