"""Which request is sent again, and when."""

import pytest

from httpprocessproxy.events import EventBus
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from test.inspector.test_request_log import ended, request
from test.messages import state

POST = request(method="POST")


class Sender:
    """Notes what is sent again, and how that ends."""

    def __init__(self, log: RequestLog) -> None:
        self.log = log
        self.status = 500
        self.sent: list[int] = []

    def send(self, record: RequestRecord) -> RequestRecord:
        self.sent.append(record.id)
        again = RequestRecord(record.request, None, record.id)
        self.log.begin(again)
        again.status = self.status
        self.log.end(again)
        return again


def test_the_last_failed_request_is_sent_after_each_restart_until_it_succeeds() -> None:
    bus = EventBus()
    log = RequestLog(bus)
    replays, sender = Replayer(log), Sender(log)
    replays.send = sender.send
    replays.after_restarts = True
    with replays.listening(bus):
        bus.publish(state("running"))
        ended(log, 500, asked=POST)  # an older one, and nobody waits for it to come one day
        ended(log, 500, asked=POST)
        bus.publish(state("killing"))
        bus.publish(state("running"))
        sender.status = 200
        bus.publish(state("running"))
        bus.publish(state("running"))
    bus.publish(state("running"))
    assert sender.sent == [2, 3]


def test_nothing_is_sent_that_nobody_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = EventBus()
    log = RequestLog(bus)
    replays = Replayer(log)
    replays.send = lambda record: pytest.fail("sent")
    ended(log, 500, asked=POST)
    with replays.listening(bus):
        bus.publish(state("running"))
