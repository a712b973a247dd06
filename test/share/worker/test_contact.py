"""What the user is told of the relay: each change once, however many calls see it."""

from httpprocessproxy.share.worker.contact import Contact
from httpprocessproxy.share.worker.settings import News


def test_each_change_is_told_once() -> None:
    said: list[str] = []
    contact = Contact("r.test", News(said.append, said.append, lambda visited: None))
    for _ in range(3):
        contact.made("streaming")
    for _ in range(3):
        contact.lost("timeout")
    for _ in range(3):
        contact.made("by long polling")
    contact.made("streaming")
    assert said == [
        "share: connected, streaming",
        "share: the relay r.test does not answer (timeout); trying again",
        "share: the relay r.test is back, by long polling",
        "share: connected, streaming",
    ]
