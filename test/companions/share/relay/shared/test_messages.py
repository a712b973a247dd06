"""What relays tell each other survives the way."""

import pytest

from httpprocessproxy.companions.share.protocol import AnswerHead, VisitHead
from httpprocessproxy.companions.share.relay.shared import messages
from httpprocessproxy.companions.share.relay.shared.messages import Message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("ring", ("a.test",)), b"ring a.test\n"),
        (Message("bye"), b"bye\n"),
        (Message("piece", ("answer:x",), b"\n\0 \xff\n"), b"piece answer:x\n\n\0 \xff\n"),
    ],
)
def test_messages(message: Message, text: bytes) -> None:
    assert messages.encode(message) == text
    assert messages.decode(text) == message


def test_heads() -> None:
    fields = [("Set-Cookie", "a"), ("Set-Cookie", "\u00e9"), ("X", "")]
    visit = VisitHead("r", "GET", "/%2F?\u00e9", "::1", fields)
    assert messages.decode_visit(messages.encode_visit(visit)) == visit
    for length in (None, 0, 5):
        answer = AnswerHead(200, fields, length)
        assert messages.decode_answer(messages.encode_answer(answer)) == answer
