"""Replays: the request that is sent, and the time when it is sent."""

import pytest

from httpprocessproxy.events import EventBus
from httpprocessproxy.inspector.replay import Replayer
from httpprocessproxy.inspector.request_log import RequestLog, RequestRecord
from test.inspector.test_request_log import ended, request
from test.messages import state

POST = request(method="POST")


class Sender:
    """Records replayed requests, and ends them with `status`."""

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


def test_last_failed_request_is_sent_after_each_restart_until_it_succeeds() -> None:
    bus = EventBus()
    log = RequestLog(bus)
    sender = Sender(log)
    replays = Replayer(log, sender.send)
    replays.after_restarts = True
    with replays.listening(bus):
        bus.publish(state("running"))
        ended(log, 500, asked=POST)  # an older one, which is never replayed
        ended(log, 500, asked=POST)
        bus.publish(state("killing"))
        bus.publish(state("running"))
        sender.status = 200
        bus.publish(state("running"))
        bus.publish(state("running"))
    bus.publish(state("running"))
    assert sender.sent == [2, 3]


def test_no_request_is_sent_without_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = EventBus()
    log = RequestLog(bus)
    replays = Replayer(log, lambda record: pytest.fail("sent"))
    ended(log, 500, asked=POST)
    with replays.listening(bus):
        bus.publish(state("running"))
