"""What the user is told of the relay: each change once, however many calls see it."""

from httpprocessproxy.companions.share.worker.relay_status import RelayStatus
from httpprocessproxy.companions.share.worker.settings import Reporter


def test_each_change_is_told_once() -> None:
    said: list[str] = []
    contact = RelayStatus("r.test", Reporter(said.append, said.append, lambda visited: None))
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
