"""Validation of HTTP/2 and HTTP/3 requests."""

import pytest

from httpprocessproxy.core.errors import RequestError
from httpprocessproxy.frontends.requests import MAX_CACHED_SETS, HeadReader, check_trailers, refuse
from httpprocessproxy.frontends.streams import Fields, Head
from test.frontends.ends import RecordingStream

CLIENT, SERVER = ("192.0.2.1", 50000), ("127.0.0.1", 8443)

METHOD, SCHEME = (b":method", b"GET"), (b":scheme", b"https")
AUTHORITY, PATH = (b":authority", b"localhost"), (b":path", b"/a?b")
PROTOCOL, CONNECT = (b":protocol", b"websocket"), (b":method", b"CONNECT")
GET = [METHOD, SCHEME, AUTHORITY, PATH]


def read(fields: Fields) -> Head:
    """Read a head twice: the second one comes from the cache, if it is valid."""
    reader = HeadReader("2", SERVER)
    head = reader.read(fields, CLIENT, has_ended=False)
    assert reader.read(fields, CLIENT, has_ended=False) == head
    return head._replace(memo=None)


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in GET if field[0] != name]


def test_head_has_the_pseudo_header_fields_and_the_others() -> None:
    accept = (b"accept", b"*/*")
    assert read([*GET, accept]) == Head(
        "2", b"GET", b"localhost", b"/a?b", [accept], None, CLIENT, SERVER
    )


def test_head_of_an_extended_connect_has_its_protocol() -> None:
    head = read([CONNECT, PROTOCOL, SCHEME, AUTHORITY, PATH])
    assert (head.method, head.protocol, head.path) == (b"CONNECT", b"websocket", b"/a?b")


@pytest.mark.parametrize(
    "fields",
    [
        [*GET, (b"host", b"localhost")],
        [*without(b":authority"), (b"host", b"localhost")],
    ],
)
def test_host_is_accepted_as_the_authority_and_removed(fields: Fields) -> None:
    head = read(fields)
    assert head.authority == b"localhost"
    assert head.fields == []


def test_split_cookies_are_joined_into_one_field() -> None:
    """RFC 9113 section 8.2.3."""
    accept = (b"accept", b"*/*")
    split = [(b"cookie", b"a=1"), accept, (b"cookie", b"b=2"), (b"cookie", b"c=3")]
    assert read([*GET, *split]).fields == [accept, (b"cookie", b"a=1; b=2; c=3")]


@pytest.mark.parametrize(
    "field",
    [
        (b"te", b"trailers"),
        (b"te", b"Trailers"),
        (b"x", b""),
        (b"x", b"caf\xc3\xa9 \xff"),
        (b"x", b"a\tb"),
        (b"!#$%&'*+-.^_`|~09az", b"x"),
    ],
)
def test_valid_field_is_accepted(field: tuple[bytes, bytes]) -> None:
    assert read([*GET, field]).fields == [field]


def test_options_with_an_asterisk_as_path_is_accepted() -> None:
    head = read([(b":method", b"OPTIONS"), SCHEME, AUTHORITY, (b":path", b"*")])
    assert head.path == b"*"


@pytest.mark.parametrize(
    "field",
    [
        # RFC 9113 section 8.2.1
        *((b"Accept", b"x"), (b"a b", b"x"), (b"a:b", b"x"), (b"", b"x"), (b"a\x00", b"x")),
        *((b"a\x80", b"x"), (b"a\r\nb", b"x")),
        *((b"a", b" x"), (b"a", b"x "), (b"a", b"\tx"), (b"a", b" ")),
        *((b"a", b"x\x00y"), (b"a", b"x\r\ny"), (b"a", b"x\ny"), (b"a", b"x\ry"), (b"a", b"\x7f")),
        # no tokens (RFC 9110 section 5.6.2)
        *((b"a(b", b"x"), (b'a"', b"x"), (b"a/b", b"x"), (b"a@", b"x")),
        # RFC 9113 section 8.2.2
        *((b"connection", b"close"), (b"keep-alive", b"timeout=5"), (b"proxy-connection", b"x")),
        *((b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"), (b"te", b"gzip")),
    ],
)
def test_invalid_field_is_refused_in_heads_and_trailers(field: tuple[bytes, bytes]) -> None:
    with pytest.raises(RequestError) as refusal:
        read([*GET, field])
    assert refusal.value.status == 400
    with pytest.raises(RequestError):
        check_trailers([field])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        *((without(name), 400) for name in (b":method", b":scheme", b":authority", b":path")),
        # RFC 9113 section 8.3: pseudo-header fields are known, unique and in front
        *(([*GET, field], 400) for field in GET),
        ([*GET[:3], (b"accept", b"x"), PATH], 400),
        *(([*GET, (name, b"x")], 400) for name in (b":status", b":x", b":", b":Path")),
        # section 8.3.1
        *(
            ([*without(b":path"), (b":path", path)], 400)
            for path in (b"", b"x", b"*", b"http://a/")
        ),
        *(([*without(b":path"), (b":path", path)], 400) for path in (b"/a b", b"/\xff", b"/\x7f")),
        ([*without(b":path"), (b":path", b"/a HTTP/1.1\r\nx: y")], 400),
        *(([(b":method", method), *GET[1:]], 400) for method in (b"", b"G T", b"GET /", b"\xff")),
        *(([METHOD, (b":scheme", scheme), *GET[2:]], 400) for scheme in (b"", b"ftp", b"file")),
        ([*GET, (b"host", b"other")], 400),
        ([*GET, (b"host", b"localhost"), (b"host", b"other")], 400),
        ([METHOD, SCHEME, (b":authority", b"a\r\nb"), PATH], 400),
        # RFC 8441 section 4
        ([*GET, PROTOCOL], 400),
        ([PROTOCOL, *GET], 400),
        ([CONNECT, PROTOCOL, SCHEME, AUTHORITY], 400),
        # RFC 9110 section 9.3.6
        ([CONNECT, AUTHORITY], 405),
    ],
)
def test_malformed_request_is_refused_with_a_status(fields: Fields, status: int) -> None:
    with pytest.raises(RequestError) as refusal:
        read(fields)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b"x", b"y" * 65_000)], 0),
        ([(b"x", b"y" * 65_536)], 431),
        ([(b"x%d" % i, b"y" * 640) for i in range(100)], 431),
        ([(b"x", b"")] * 190, 0),
        ([(b"x", b"")] * 200, 431),
    ],
)
def test_header_section_above_the_size_limit_is_refused_with_431(
    fields: Fields, status: int
) -> None:
    if not status:
        read([*GET, *fields])
        return
    with pytest.raises(RequestError) as refusal:
        read([*GET, *fields])
    assert refusal.value.status == status


def test_trailers_with_a_pseudo_header_field_are_refused() -> None:
    check_trailers([(b"x-checksum", b"abc")])
    with pytest.raises(RequestError):
        check_trailers([(b":path", b"/")])


def test_refusal_has_its_reason_as_body_and_discards_the_request() -> None:
    stream = RecordingStream()
    refuse(stream, RequestError(431, "too much"))
    assert (stream.status, bytes(stream.content)) == (431, b"431: too much\n")
    assert (b"content-length", b"14") in stream.fields
    assert stream.has_ended
    assert not stream.is_reading


# The cache of sets of fields

AGENT = (b"user-agent", b"a browser")


def test_head_that_differs_in_the_path_only_shares_the_memo() -> None:
    reader = HeadReader("2", SERVER)
    begin = [METHOD, SCHEME, AUTHORITY]
    first = reader.read([*begin, (b":path", b"/1"), AGENT], CLIENT, has_ended=True)
    second = reader.read([*begin, (b":path", b"/2"), AGENT], CLIENT, has_ended=False)
    assert second == first._replace(path=b"/2", has_ended=False)
    assert second.memo is first.memo
    other = reader.read([*GET, (b"user-agent", b"another")], CLIENT, has_ended=True)
    assert other.memo is not first.memo


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([METHOD, SCHEME, AUTHORITY, (b":path", b"no path"), AGENT], 400),
        ([METHOD, SCHEME, AUTHORITY, (b":path", b"*"), AGENT], 400),
        ([METHOD, SCHEME, AUTHORITY, AGENT], 400),
        ([METHOD, SCHEME, AUTHORITY, AGENT, PATH], 400),
        ([METHOD, SCHEME, AUTHORITY, PATH, PATH, AGENT], 400),
        ([METHOD, SCHEME, AUTHORITY, (b":path", b"/" + b"x" * 70_000), AGENT], 431),
    ],
    ids=["invalid", "asterisk", "missing", "misplaced", "twice", "too large"],
)
def test_fault_of_the_path_is_found_in_a_cached_set(fields: Fields, status: int) -> None:
    reader = HeadReader("2", SERVER)
    reader.read([*GET, AGENT], CLIENT, has_ended=True)
    with pytest.raises(RequestError) as refusal:
        reader.read(fields, CLIENT, has_ended=True)
    assert refusal.value.status == status


def test_number_and_size_of_cached_sets_are_limited() -> None:
    reader = HeadReader("2", SERVER)
    for number in range(3 * MAX_CACHED_SETS):
        reader.read([*GET, (b"x-number", b"%d" % number)], CLIENT, has_ended=True)
        assert len(reader._cached) <= MAX_CACHED_SETS
    large = [*GET, (b"x-large", b"y" * 10_000)]
    first = reader.read(large, CLIENT, has_ended=True)
    assert reader.read(large, CLIENT, has_ended=True).memo is not first.memo
