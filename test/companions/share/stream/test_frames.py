"""Frames: encoding, decoding, and the refusal of malformed frames."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.stream.frames import (
    MAX_DATA_BYTES,
    AnswerFrame,
    CreditFrame,
    DataFrame,
    EndFrame,
    Frame,
    FrameError,
    ReadyFrame,
    ResetFrame,
    VisitFrame,
    decode,
    encode,
    pack,
    unpack,
)

HEAD = VisitHead("id1", "GET", "/a%2Fb?", "192.0.2.1", [("A", "1"), ("Set-Cookie", "x"), ("a", "")])

numbers = st.integers(1, 2**32 - 1)
names = st.text("abcXYZ-_09!", min_size=1, max_size=12).map(lambda text: f"x{text}")
values = st.text(st.characters(min_codepoint=33, exclude_characters="\x7f", codec="utf-8"))
fields = st.lists(st.tuples(names, values), max_size=8)
ips = st.just("") | st.ip_addresses().map(str)
frames = st.one_of(
    st.builds(ReadyFrame, st.integers(0, 2**32 - 1)),
    st.builds(
        VisitFrame,
        numbers,
        st.builds(VisitHead, st.just("id"), st.just("PATCH"), st.just("/é"), ips, fields),
        st.booleans(),
    ),
    st.builds(AnswerFrame, numbers, st.builds(AnswerHead, st.integers(200, 599), fields)),
    st.builds(DataFrame, numbers, st.binary(min_size=1, max_size=MAX_DATA_BYTES)),
    st.builds(EndFrame, numbers),
    st.builds(ResetFrame, numbers, st.text(max_size=100).filter(lambda text: text.isprintable())),
    st.builds(CreditFrame, numbers, st.integers(0, 2**32 - 1)),
)


@given(frames)
def test_encoded_frame_is_decoded_unchanged(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(st.binary(max_size=300))
def test_random_bytes_are_a_frame_or_raise_frame_error(message: bytes) -> None:
    try:
        frame = decode(message)
    except FrameError:
        return
    decode(encode(frame))


@given(frames, st.data())
def test_changed_or_truncated_frame_is_decoded_or_raises_frame_error(
    frame: Frame, data: st.DataObject
) -> None:
    message = bytearray(encode(frame))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] = data.draw(st.integers(0, 255))
    for bent in (bytes(message), bytes(message[:at])):
        try:
            decode(bent)
        except FrameError:
            continue


def test_order_and_repetition_of_fields_are_kept() -> None:
    assert decode(encode(VisitFrame(7, HEAD, True))) == VisitFrame(7, HEAD, True)


@pytest.mark.parametrize(
    "members",
    [
        {"url": "http://169.254.169.254/"},
        {"url": "//evil" + "\r\n"},
        {"url": ""},
        {"method": "GET /"},
        {"method": ""},
        {"rid": ""},
        {"rid": 7},
        {"fields": {}},
        {"fields": [["A", "b\r\nC: d"]]},
        {"fields": [["A b", "c"]]},
        {"fields": [["A", 1]]},
        {"fields": [["A"]]},
        {"fields": [["A", "b"]] * 201},
        {"url": "/\ud800"},
        {"url": "/" + "x" * 8192},
        {"method": "CONNECT"},
        {"method": "M" * 41},
        {"method": "GET\r\n"},
        {"rid": "a b"},
        {"rid": "\ud800"},
        {"ip": None},
        {"ip": ["192.0.2.1"]},
        {"tunnel": 1},
        {"tunnel": "yes"},
        {"fields": [["A", "\ud800"]]},
        {"fields": [["\ud800", "a"]]},
        {"fields": [["A", ["b"]]]},
        {"fields": [["A", "b", "c"]]},
        {"fields": None},
    ],
)
def test_visit_with_an_invalid_member_is_refused(members: dict[str, object]) -> None:
    good = {"rid": "id", "method": "GET", "url": "/", "ip": "", "fields": [], "tunnel": False}
    decode(b"\x02\0\0\0\1" + json.dumps(good).encode())
    with pytest.raises(FrameError):
        decode(b"\x02\0\0\0\1" + json.dumps({**good, **members}).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
MEMBERS = ("rid", "method", "url", "ip", "fields", "tunnel")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.text(st.characters())))
def test_any_member_of_a_visit_is_safe_to_write_or_refused(members: dict[str, object]) -> None:
    good = {"rid": "id", "method": "GET", "url": "/", "ip": "", "fields": [], "tunnel": False}
    try:
        visit = decode(b"\x02\0\0\0\1" + json.dumps({**good, **members}).encode())
    except FrameError:
        return
    assert isinstance(visit, VisitFrame)
    head = visit.head
    names_and_values = [text for field in head.fields for text in field]
    for text in (head.rid, head.method, head.url, head.ip, *names_and_values):
        assert not set(text) & set("\r\n\0")
        text.encode()
    assert decode(encode(visit)) == visit


@pytest.mark.parametrize(
    ("ip", "read"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("\ud800", ""),
        ("192.0.2.1\r\n\r\nPOST / HTTP/1.1", ""),
        ("\x1b]0;title\x07192.0.2.1", ""),
        ("localhost", ""),
    ],
)
def test_ip_of_a_visit_is_an_address_or_nothing(ip: str, read: str) -> None:
    members = {"rid": "id", "method": "GET", "url": "/", "ip": ip, "fields": []}
    frame = decode(b"\x02\0\0\0\1" + json.dumps(members).encode())
    assert frame == VisitFrame(1, VisitHead("id", "GET", "/", read, []), False)


def test_reason_of_a_reset_is_one_line_of_text() -> None:
    assert decode(b"\x06\0\0\0\1a\r\n\x1b[31m\xff") == ResetFrame(
        1, "a\ufffd\ufffd\ufffd[31m\ufffd"
    )


@pytest.mark.parametrize("status", [0, 99, 100, 102, 199, 600, "200", 200.0, True, None])
def test_answer_with_an_invalid_status_is_refused(status: object) -> None:
    with pytest.raises(FrameError):
        decode(b"\x03\0\0\0\1" + json.dumps({"status": status, "fields": []}).encode())


def test_hop_by_hop_fields_are_dropped() -> None:
    fields = [("Connection", "X-A"), ("X-A", "1"), ("fpw-ip", "1"), ("Upgrade", "h2c"), ("B", "2")]
    frame = decode(encode(AnswerFrame(1, AnswerHead(200, fields))))
    assert frame == AnswerFrame(1, AnswerHead(200, [("B", "2")]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x04\0\0\0",
        b"\x04\0\0\0\1",
        b"\x04\0\0\0\1" + b"x" * (MAX_DATA_BYTES + 1),
        b"\x04\0\0\0\0x",
        b"\x05\0\0\0\1x",
        b"\x01\0\0\0\1\0\0\0\1",
        b"\x07\0\0\0\1\0\0\1",
        b"\x08\0\0\0\1",
        b"\x06\0\0\0\1" + b"x" * 1025,
        b"\x02\0\0\0\1" + b"[" * 100_000,
        b"\x02\0\0\0\1\xff",
        b"\x02\0\0\0\1[]",
    ],
)
def test_malformed_frame_is_refused(message: bytes) -> None:
    with pytest.raises(FrameError):
        decode(message)


@given(st.lists(frames, min_size=1, max_size=5))
def test_packed_frames_are_unpacked_unchanged(several: list[Frame]) -> None:
    message = pack([encode(frame) for frame in several])
    assert [decode(frame) for frame in unpack(message)] == several


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), st.data())
def test_truncated_message_yields_whole_frames_or_raises_frame_error(
    several: list[bytes], data: st.DataObject
) -> None:
    message = pack(several)
    at = data.draw(st.integers(0, len(message) - 1))
    try:
        taken = list(unpack(message[:at]))
    except FrameError:
        return
    assert taken == several[: len(taken)]
