"""Requests as sent to the backend (RFC 9110 section 7.6, RFC 9112 section 3)."""

import pytest

from httpprocessproxy.core.http.bodies import Chunked, Length
from httpprocessproxy.core.http.forwarded import Peer
from httpprocessproxy.core.http.http1 import Fields
from test.core.http.heads import (
    STRANGER,
    TRUSTED,
    TRUSTING,
    VISITOR,
    answered,
    fields_of,
    refusal,
    sent,
    values,
)
from test.core.http.strict import read_head

# Requests: fields


def test_request_gets_host_forwarding_fields_and_via() -> None:
    request = sent(b"Accept: text/html", b"Cookie: a=b", line=b"GET /a?b HTTP/1.1")
    assert request.head == (
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nCookie: a=b\r\n"
        b"Forwarded: for=192.0.2.1;host=a;proto=http\r\nX-Forwarded-For: 192.0.2.1\r\n"
        b"X-Forwarded-Host: a\r\nX-Forwarded-Proto: http\r\nVia: 1.1 proxy-1\r\n\r\n"
    )
    assert (request.method, request.target, request.host) == (b"GET", b"/a?b", b"a")
    assert (request.accept, request.is_http10, request.upgrade) == (b"text/html", False, b"")
    assert (request.content_length, request.keep_alive, request.is_safe) == (0, True, True)


def test_fields_keep_order_spelling_and_duplicates() -> None:
    fields = [(b"b", b"1"), (b"A", b"2"), (b"B", b""), (b"a", b"caf\xe9 \xff"), (b"B", b"3")]
    assert fields_of(sent(*(b"%b: %b" % field for field in fields))) == fields


def test_request_without_fields_gets_no_others() -> None:
    assert fields_of(sent()) == []
    assert fields_of(sent(line=b"POST / HTTP/1.1")) == []


@pytest.mark.parametrize(
    "line",
    [
        *(b"Connection: close", b"Connection: keep-alive", b"Connection:", b"Connection: ,"),
        *(b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"TE: gzip", b"TE:"),
        *(b"Upgrade: websocket", b"HTTP2-Settings: AAMAAABk", b"connection: Close"),
    ],
)
def test_hop_by_hop_fields_of_requests_are_removed(line: bytes) -> None:
    assert fields_of(sent(b"X: 1", line, b"Y: 2")) == [(b"X", b"1"), (b"Y", b"2")]


@pytest.mark.parametrize(
    "connection", [b"close, X-Secret", b"x-secret", b",x-SECRET ,, close", b"\tX-Secret\t"]
)
def test_fields_named_by_connection_are_removed(connection: bytes) -> None:
    assert fields_of(sent(b"X-Secret: 1", b"Connection: " + connection, b"x-secret: 2")) == []


def test_connection_in_several_lines_is_one_list() -> None:
    request = sent(b"Connection: a", b"A: 1", b"B: 2", b"C: 3", b"Connection: b, close")
    assert fields_of(request) == [(b"C", b"3")]
    assert not request.keep_alive


def test_fields_that_protect_the_backend_survive_connection_options() -> None:
    names = b"host, content-length, forwarded, via, x-forwarded-for, x-forwarded-host"
    request = sent(b"Connection: " + names, b"Content-Length: 3", b"Via: 1.1 b")
    assert fields_of(request) == [(b"Content-Length", b"3")]
    assert values(request, b"Host") == [b"a"]
    assert values(request, b"Via") == [b"1.1 b, 1.1 proxy-1"]
    assert values(request, b"X-Forwarded-For") == [b"192.0.2.1"]
    chunked = sent(b"Connection: transfer-encoding", b"Transfer-Encoding: chunked")
    assert fields_of(chunked) == [(b"Transfer-Encoding", b"chunked")]


@pytest.mark.parametrize(
    "value", [b"trailers", b"Trailers", b"gzip;q=0.5, trailers", b"trailers;a"]
)
def test_te_trailers_is_written_for_the_backend_connection(value: bytes) -> None:
    expected = [(b"Connection", b"TE"), (b"TE", b"trailers")]
    assert fields_of(sent(b"Connection: te", b"TE: " + value)) == expected
    assert fields_of(sent(b"TE: trailers", b"TE: gzip")) == expected


@pytest.mark.parametrize("value", [b"100-continue", b"nonsense"])
def test_expect_passes_unchanged(value: bytes) -> None:
    assert fields_of(sent(b"Expect: " + value)) == [(b"Expect", value)]


@pytest.mark.parametrize(
    "name",
    [
        *(b"X_Forwarded_For", b"x-forwarded_for", b"X_Forwarded_Host", b"X_FORWARDED_PROTO"),
        *(b"Content_Length", b"Transfer_Encoding", b"Proxy_Connection"),
    ],
)
def test_underscore_spelling_of_an_own_field_is_removed(name: bytes) -> None:
    assert fields_of(sent(name + b": 5", b"X_Other: 1")) == [(b"X_Other", b"1")]


@pytest.mark.parametrize(
    ("value", "peer", "wants"),
    [
        *((b"1", TRUSTED, True), (b"0", TRUSTED, False)),
        *((b"1", STRANGER, False), (b"1", VISITOR, False)),
        (b"1\r\nX-Forwarded-For: 192.0.2.7", TRUSTED, False),
        (b"1\r\nForwarded: for=192.0.2.7", TRUSTED, False),
        (b"1\r\nX-Forwarded-For: 192.0.2.7", TRUSTING, True),
        (b"1\r\nX-Forwarded-For: 192.0.2.7", VISITOR, False),
    ],
)
def test_hpp_sync_takes_effect_for_trusted_clients_and_is_never_passed_on(
    value: bytes, peer: Peer, wants: bool
) -> None:
    request = sent(b"Hpp-Sync: " + value, b"A: 1", peer=peer)
    assert request.wants_fence is wants
    assert fields_of(request) == [(b"A", b"1")]


def test_forwarding_fields_of_an_untrusted_client_are_replaced() -> None:
    lines = [
        *(b"Forwarded: for=192.0.2.9", b"X-Forwarded-For: 192.0.2.9", b"X-Forwarded-Host: evil"),
        *(b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 1", b"X-FORWARDED-Prefix: /evil"),
        *(
            b"X-Real-IP: 192.0.2.9",
            b"X_Real_IP: 192.0.2.9",
            b"X-Realm: kept",
            b"Forwarded-By: kept",
        ),
    ]
    request = sent(*lines, peer=STRANGER)
    assert fields_of(request) == [(b"X-Realm", b"kept"), (b"Forwarded-By", b"kept")]
    assert values(request, b"Forwarded") == [b"for=192.0.2.1;host=a;proto=http"]
    assert values(request, b"X-Forwarded-For") == [b"192.0.2.1"]
    assert values(request, b"X-Forwarded-Host") == [b"a"]
    assert values(request, b"X-Forwarded-Proto") == [b"http"]
    assert (b"X-Forwarded-Port", b"1") in fields_of(sent(*lines))


# Requests: target and Host (RFC 9112 section 3.2)


@pytest.mark.parametrize(
    ("line", "target", "host"),
    [
        (b"GET //b/%2F/../;x?y=/&%00#z HTTP/1.1", b"//b/%2F/../;x?y=/&%00#z", b"a"),
        (b"OPTIONS * HTTP/1.1", b"*", b"a"),
        (b"OPTIONS /x HTTP/1.1", b"/x", b"a"),
        (b"OPTIONS http://b HTTP/1.1", b"*", b"b"),
        (b"OPTIONS http://b/ HTTP/1.1", b"/", b"b"),
        (b"OPTIONS http://b?x HTTP/1.1", b"/?x", b"b"),
        (b"GET http://b HTTP/1.1", b"/", b"b"),
        (b"GET http://b:8/c?d HTTP/1.1", b"/c?d", b"b:8"),
        (b"GET http://b?d/e HTTP/1.1", b"/?d/e", b"b"),
        (b"GET HTTPS://b/http://c/ HTTP/1.1", b"/http://c/", b"b"),
        (b"GET http://[::1]:8/ HTTP/1.1", b"/", b"[::1]:8"),
    ],
)
def test_target_is_sent_in_origin_form_with_its_host(
    line: bytes, target: bytes, host: bytes
) -> None:
    request = sent(line=line)
    assert (request.target, request.host) == (target, host)
    method = line.split(b" ")[0]
    assert read_head(request.head)[0] == b"%b %b HTTP/1.1" % (method, target)
    assert values(request, b"Host") == [host]
    assert values(request, b"X-Forwarded-Host") == [host]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET * HTTP/1.1", 400),
        (b"GET ftp://a/ HTTP/1.1", 400),
        (b"GET http:///x HTTP/1.1", 400),
        (b"GET http://?x HTTP/1.0", 400),
        (b"CONNECT a:443 HTTP/1.1", 405),
        (b"CONNECT / HTTP/1.1", 405),
    ],
)
def test_unsupported_target_is_refused(line: bytes, status: int) -> None:
    assert refusal(line=line) == status


@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: a", b"Host: a\r\nX: y\r\nhost: b"])
def test_http_1_1_request_without_exactly_one_host_gets_400(host: bytes) -> None:
    assert refusal(host=host) == 400
    assert refusal(host=host, line=b"GET http://a/ HTTP/1.1") == 400


def test_http_1_0_request_without_host_is_sent_with_an_empty_one() -> None:
    request = sent(host=b"", line=b"GET / HTTP/1.0")
    assert request.is_http10
    assert request.head.startswith(b"GET / HTTP/1.1\r\nHost: \r\n")
    assert values(request, b"X-Forwarded-Host") == []
    assert refusal(line=b"GET / HTTP/1.0", host=b"Host: a\r\nHost: b") == 400


def test_http_1_0_request_without_host_gets_the_authority_it_arrived_at() -> None:
    peer = Peer("127.0.0.1", trusted=True, reached=b"127.0.0.1:8000")
    assert sent(host=b"", line=b"GET / HTTP/1.0", peer=peer).host == b"127.0.0.1:8000"
    assert sent(line=b"GET / HTTP/1.0", peer=peer).host == b"a"
    assert sent(host=b"Host: ", peer=peer).host == b""  # an empty host is on no allow-list


# Requests: Via (RFC 9110 section 7.6.3)


@pytest.mark.parametrize(
    ("lines", "via"),
    [
        ([], b"1.1 proxy-1"),
        ([b"Via: 1.0 b"], b"1.0 b, 1.1 proxy-1"),
        ([b"Via: 1.0 b (x)", b"via:  1.1 c ,,"], b"1.0 b (x), 1.1 c, 1.1 proxy-1"),
        ([b"Via: 1.1 proxy-12", b"Via: 1.1 xproxy-1"], b"1.1 proxy-12, 1.1 xproxy-1, 1.1 proxy-1"),
    ],
)
def test_own_element_is_appended_to_via(lines: list[bytes], via: bytes) -> None:
    assert values(sent(*lines), b"Via") == [via]


@pytest.mark.parametrize(
    "via",
    [
        b"1.1 proxy-1",
        b"1.1 b, 1.1 proxy-1 , 1.1 c",
        # Each frontend names the version that it received.
        *(b"2 proxy-1", b"3 proxy-1, 1.1 b", b"HTTP/1.0 proxy-1"),
    ],
)
def test_request_with_own_via_element_gets_508(via: bytes) -> None:
    assert refusal(b"Via: " + via) == 508
    assert refusal(b"Via: 1.1 b", b"Via: " + via, b"Connection: via") == 508


# Requests: framing (RFC 9112 section 6.3) and persistence (section 9.3)


@pytest.mark.parametrize(
    ("lines", "length", "framing"),
    [
        ([], 0, []),
        ([b"Content-Length: 0"], 0, [(b"Content-Length", b"0")]),
        ([b"content-length: 007"], 7, [(b"Content-Length", b"7")]),
        ([b"Transfer-Encoding: chunked"], None, [(b"Transfer-Encoding", b"chunked")]),
        ([b"Transfer-Encoding:  Chunked "], None, [(b"Transfer-Encoding", b"chunked")]),
    ],
)
def test_request_framing_is_written_as_received(
    lines: list[bytes], length: int | None, framing: Fields
) -> None:
    request = sent(*lines, line=b"POST / HTTP/1.1")
    assert request.content_length == length
    assert fields_of(request) == framing
    body = request.body()
    assert isinstance(body, Chunked if length is None else Length)
    assert body.done == (length == 0)


def test_unsupported_transfer_coding_of_a_request_is_refused() -> None:
    assert refusal(b"Transfer-Encoding: gzip, chunked") == 501
    assert refusal(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked") == 501
    assert refusal(b"Transfer-Encoding: , chunked") == 501
    assert refusal(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0") == 400


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"keep-alive", True),
        (b"1.1", b"close", False),
        (b"1.1", b"keep-alive, CLOSE", False),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
    ],
)
def test_connection_persists_by_version_and_option(
    version: bytes, connection: bytes, keep_alive: bool
) -> None:
    request = sent(b"Connection: " + connection, line=b"GET / HTTP/" + version)
    assert request.keep_alive == keep_alive
    response = b"HTTP/%b 200 OK\r\nContent-Length: 0\r\nConnection: %b" % (version, connection)
    assert answered(response, request).backend_keep_alive == keep_alive


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"TRACE"])
def test_safe_method_is_safe(method: bytes) -> None:
    assert sent(line=method + b" / HTTP/1.1").is_safe


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"QUERY"])
def test_other_method_is_unsafe(method: bytes) -> None:
    """QUERY and some WebDAV methods are safe too, but servers do not reliably treat them so."""
    assert not sent(line=method + b" / HTTP/1.1").is_safe
