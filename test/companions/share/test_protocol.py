"""The header fields between relay and worker: encoding, decoding, and refusals."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.share import protocol
from httpprocessproxy.companions.share.protocol import AnswerHead, Fields, ProtocolError, VisitHead

VISIT = VisitHead(
    "r1", "GET", "/a%2Fb?c=d?e&&", "192.0.2.1", [("Accept", "*/*"), ("X-One", "1"), ("x-one", "2")]
)


def test_visit_is_encoded_with_both_names_of_its_id() -> None:
    assert protocol.visit_headers(VISIT) == {
        "fpw-rid": "r1",
        "fpw-id": "r1",
        "fpw-method": "GET",
        "fpw-url": "/a%2Fb?c=d?e&&",
        "fpw-ip": "192.0.2.1",
        "fpw-header": '{"Accept":"*/*","X-One":"1, 2"}',
    }


def test_encoded_visit_is_decoded_unchanged() -> None:
    fields = [("Accept", "*/*"), ("X-One", "1, 2")]
    read = protocol.read_visit(protocol.visit_headers(VISIT))
    assert read == VisitHead(VISIT.rid, VISIT.method, VISIT.url, VISIT.ip, fields)


@pytest.mark.parametrize("name", ["fpw-rid", "fpw-id"])
def test_id_is_read_by_either_name(name: str) -> None:
    headers = {name: "r1", "fpw-method": "GET", "fpw-url": "/"}
    assert protocol.read_visit(headers) == VisitHead("r1", "GET", "/", "", [])
    assert protocol.read_rid({name: "r1"}) == "r1"


@pytest.mark.parametrize("headers", [{}, {"fpw-method": "GET"}, {"fpw-rid": ""}])
def test_reply_without_an_id_has_no_visit(headers: dict[str, str]) -> None:
    assert protocol.read_visit(headers) is None


@pytest.mark.parametrize("rid", ["a b", "a\tb", "é", "x" * 257])
def test_malformed_id_is_ignored(rid: str) -> None:
    assert protocol.read_rid({"fpw-rid": rid}) is None


@pytest.mark.parametrize(
    "url", ["", "http://evil.test/", "evil.test", "?q", "*", "/a b", "/a\rb", "/\x7f", "/\ud800"]
)
def test_url_that_is_not_a_path_is_refused(url: str) -> None:
    headers = {"fpw-rid": "r", "fpw-method": "GET", "fpw-url": url}
    with pytest.raises(ProtocolError, match="not a path"):
        protocol.read_visit(headers)


@pytest.mark.parametrize("url", ["/", "//evil.test/", "/?", "/%2F%00", "/;a=b", "/é", "/a|b{}"])
def test_path_is_read_unchanged(url: str) -> None:
    read = protocol.read_visit({"fpw-rid": "r", "fpw-method": "GET", "fpw-url": url})
    assert read is not None
    assert read.url == url


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "G/T", "CONNECT", "M" * 41])
def test_malformed_method_is_refused(method: str) -> None:
    with pytest.raises(ProtocolError, match="not a method"):
        protocol.read_visit({"fpw-rid": "r", "fpw-method": method, "fpw-url": "/"})


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("unknown", ""),
        ("_hidden", ""),
        ("192.0.2.256", ""),
        (" 192.0.2.1", ""),
        ("192.0.2.1\n", ""),
        ("192.0.2.1\r\nX: y", ""),
        ("\u0661.2.3.4", ""),
        ("\udc80", ""),
        ("[", ""),
        ("fe80::1%\r\nX: y", "fe80::1"),
    ],
)
def test_ip_is_an_address_in_its_normal_form_or_nothing(text: str, ip: str) -> None:
    headers = {"fpw-rid": "r", "fpw-method": "GET", "fpw-url": "/", "fpw-ip": text}
    read = protocol.read_visit(headers)
    assert read is not None
    assert read.ip == ip


HEADERS = ("fpw-rid", "fpw-id", "fpw-method", "fpw-url", "fpw-ip", "fpw-header")


@given(st.dictionaries(st.sampled_from(HEADERS), st.text(st.characters())))
def test_any_member_of_a_reply_is_safe_to_write_or_refused(members: dict[str, str]) -> None:
    good = {"fpw-rid": "r", "fpw-method": "GET", "fpw-url": "/", "fpw-ip": "", "fpw-header": "{}"}
    try:
        head = protocol.read_visit({**good, **members})
    except ProtocolError:
        return
    if head is not None:
        for text in (head.rid, head.method, head.url, head.ip):
            assert not set(text) & set("\r\n\0")
            text.encode()


def test_answer_is_encoded_with_a_list_for_set_cookie_alone() -> None:
    fields = [("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("Vary", "a"), ("vary", "b")]
    written = protocol.answer_headers("r1", AnswerHead(200, fields))
    assert written["fpw-rid"] == written["fpw-id"] == "r1"
    assert written["fpw-status"] == "200"
    assert json.loads(written["fpw-header"]) == {"Set-Cookie": ["a=1", "b=2"], "Vary": "a, b"}


def test_single_set_cookie_is_encoded_as_text() -> None:
    written = protocol.answer_headers("r1", AnswerHead(200, [("Set-Cookie", "a=1")]))
    assert json.loads(written["fpw-header"]) == {"Set-Cookie": "a=1"}


def test_encoded_answer_is_decoded_unchanged() -> None:
    head = AnswerHead(404, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("ETag", '"é"')])
    written = protocol.answer_headers("r1", head)
    assert all(value.isascii() for value in written.values())
    assert protocol.read_answer(written) == head


@pytest.mark.parametrize("status", ["", "20", "2000", "099", "600", "+20", "20.", "٢٠٠", "200 "])
def test_malformed_status_is_refused(status: str) -> None:
    with pytest.raises(ProtocolError, match="not a status from 100 to 599"):
        protocol.read_answer({"fpw-status": status, "fpw-header": "{}"})


@pytest.mark.parametrize("status", ["100", "101", "103"])
def test_interim_status_is_refused(status: str) -> None:
    with pytest.raises(ProtocolError, match="not a final response"):
        protocol.read_answer({"fpw-status": status, "fpw-header": "{}"})


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{}", []),
        ("[]", []),
        ('{"A":"1"}', [("A", "1")]),
        ('{"A":["1","2"]}', [("A", "1"), ("A", "2")]),
        ('{"A":[]}', []),
        ('{"A":"1","a":"2","A":"3"}', [("A", "1"), ("a", "2"), ("A", "3")]),
        ('{"Content-Length":12}', [("Content-Length", "12")]),
        ('{"A":""}', [("A", "")]),
        ('{"A":" \\t1\\t"}', [("A", "1")]),
        ('{"A":"\\u00e9\\u20ac"}', [("A", "é€")]),
    ],
)
def test_valid_fields_are_decoded(text: str, fields: Fields) -> None:
    assert protocol.decode_fields(text) == fields


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"A":' + "1" * 5000 + "}", "not JSON"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"A: 1"', "not a JSON object"),
        ('{"A b":"1"}', "an invalid name"),
        ('{"":"1"}', "an invalid name"),
        ('{"A\\r\\nB":"1"}', "an invalid name"),
        ('{"A:":"1"}', "an invalid name"),
        ('{"A":"1\\r\\nSet-Cookie: x"}', "an invalid value of A"),
        ('{"A":"1\\n"}', "an invalid value of A"),
        ('{"A":["1","2\\r"]}', "an invalid value of A"),
        ('{"A":"\\u0000"}', "an invalid value of A"),
        ('{"A":"\\u007f"}', "an invalid value of A"),
        ('{"A":"\\ud800"}', "an invalid value of A"),
        ('{"A":null}', "an invalid value of A"),
        ('{"A":true}', "an invalid value of A"),
        ('{"A":1.5}', "an invalid value of A"),
        ('{"A":{}}', "an invalid value of A"),
        ('{"A":[["1"]]}', "an invalid value of A"),
        (json.dumps({f"A{n}": "1" for n in range(201)}), "more than 200 fields"),
    ],
)
def test_invalid_fields_are_refused(text: str, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        protocol.decode_fields(text)


def test_answer_fields_beyond_64_kib_are_refused() -> None:
    headers = {"fpw-status": "200", "fpw-header": '{"A":"' + "x" * 65_536 + '"}'}
    with pytest.raises(ProtocolError, match="more than 65536 bytes"):
        protocol.read_answer(headers)


FIELD = st.tuples(
    st.from_regex(r"X-[A-Za-z0-9]{1,8}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])).map(
        lambda text: text.strip(" \t")
    ),
)


@given(st.lists(FIELD, unique_by=lambda field: field[0].lower()))
def test_encoded_fields_are_decoded_unchanged(fields: Fields) -> None:
    encoded = protocol.encode_fields(fields, ())
    assert encoded.isascii()
    assert encoded.isprintable()
    assert protocol.decode_fields(encoded) == fields


@given(st.text())
def test_decoded_fields_are_safe_to_write(text: str) -> None:
    try:
        fields = protocol.decode_fields(text)
    except ProtocolError:
        return
    for name, value in fields:
        assert not set(name + value) & set("\r\n\0")


def test_repeated_cookies_are_joined_with_semicolons() -> None:
    assert protocol.encode_fields([("cookie", "a=1"), ("Cookie", "b=2")], ()) == (
        '{"cookie":"a=1; b=2"}'
    )


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "proxy-anything"),
        *("TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings"),
        *("fpw-token", "FPW-RID", "fpw_ip", "Fpw-anything"),
    ],
)
def test_hop_by_hop_and_protocol_fields_are_dropped(name: str) -> None:
    assert protocol.passing_fields([(name, "x"), ("A", "1")]) == [("A", "1")]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Cookie", "Forwarded", "Date", "TE-X"])
def test_end_to_end_fields_are_forwarded(name: str) -> None:
    assert protocol.passing_fields([(name, "x")]) == [(name, "x")]


def test_fields_listed_in_connection_are_dropped() -> None:
    fields = [("X-A", "1"), ("Connection", "close, x-a ,X-B"), ("x-b", "2"), ("X-C", "3")]
    assert protocol.passing_fields(fields) == [("X-C", "3")]


def test_connection_cannot_remove_message_fields() -> None:
    fields = [("Host", "a"), ("Content-Length", "1"), ("Cookie", "c"), ("Set-Cookie", "d")]
    nominating = ("connection", "host, content-length, cookie, set-cookie")
    assert protocol.passing_fields([*fields, nominating]) == fields


def test_fields_are_found_and_removed_by_name() -> None:
    fields = [("Vary", "a"), ("VARY", "b"), ("Age", "1")]
    assert protocol.first(fields, "vary") == "a"
    assert protocol.first(fields, "etag") is None
    assert protocol.without(fields, "vary", "etag") == [("Age", "1")]


@pytest.mark.parametrize(
    ("method", "status", "has"),
    [
        ("GET", 200, True),
        ("HEAD", 200, False),
        ("GET", 204, False),
        ("POST", 304, False),
        ("GET", 101, False),
        ("GET", 599, True),
    ],
)
def test_answer_has_a_body_by_method_and_status(method: str, status: int, has: bool) -> None:
    assert protocol.has_body(method, status) is has


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_call"),
    [
        ("POST", "/server-client", {}, True),
        ("GET", "/server-client", {}, True),
        ("POST", "/", {"fpw-host": "a", "fpw-token": "b"}, True),
        ("POST", "/", {"fpw-host": "a"}, False),
        ("POST", "/", {"fpw-token": "b"}, False),
        ("POST", "/", {"fpw-host": "a", "fpw-token": ""}, False),
        ("GET", "/", {"fpw-host": "a", "fpw-token": "b"}, False),
        ("POST", "/x", {"fpw-host": "a", "fpw-token": "b"}, False),
        ("POST", "/server-client/", {"fpw-host": "a", "fpw-token": "b"}, False),
    ],
)
def test_worker_call_is_recognised_by_method_path_and_fields(
    method: str, path: str, headers: dict[str, str], is_call: bool
) -> None:
    assert protocol.is_worker_call(method, path, headers) is is_call


def test_bytes_are_decoded_as_utf8_or_else_latin_1() -> None:
    raw = [(b"X-A", "\u00e9".encode()), (b"X-B", b"\xe9")]
    assert protocol.to_texts(raw) == [("X-A", "\u00e9"), ("X-B", "\u00e9")]
