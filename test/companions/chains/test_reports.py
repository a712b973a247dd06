"""Error reports: the members of a POST, one line of message, and the size of a datagram."""

import json

from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.chains.chain import Chain
from httpprocessproxy.companions.chains.reports import MAX_DATAGRAM_BYTES, Report

ID = "0b8ae9a6-5f1d-4b3c-9d5e-1f2a3b4c5d6e"
CHAIN = Chain(ID, "http://me/", "udp://errors:1", ("http://one",), ("",), ("POST",))


def test_external_report_has_the_status_and_text_of_the_response() -> None:
    report = Report(CHAIN, "/orders", "me:80", "answered with 500", 500, "sorry")
    assert json.loads(report.body()) == {
        "id": ID,
        "iri": "/orders",
        "levelname": "ERROR",
        "host": "me:80",
        "errorType": "External",
        "errorCode": "500",
        "errorMessage": "answered with 500",
        "responseText": "sorry",
    }
    assert report.fields() == {
        "X-Forward-Id": ID,
        "X-Forward-Referer": "http://me/",
        "X-Forward-To": "http://one",
        "X-Forward-Query-Params": "",
        "X-Forward-Method": "POST",
        "Content-Type": "application/json",
        "X-Forward-Error-Condition": "External",
        "X-Forward-Error-Code": "500",
        "X-Forward-Error-Message": "answered with 500",
    }


def test_internal_report_has_only_a_message() -> None:
    report = Report(CHAIN, "/orders", "me:80", "no connection")
    told = json.loads(report.datagram())
    assert told["errorType"] == "Internal"
    assert "errorCode" not in told
    assert "responseText" not in told
    assert "X-Forward-Error-Code" not in report.fields()


def test_message_becomes_one_short_line_of_ascii() -> None:
    report = Report(CHAIN, "/", "me", "a\r\nb\u2028caf\xe9" + "x" * 300)
    line = report.fields()["X-Forward-Error-Message"]
    assert line.startswith("a b caf ")
    assert len(line) == 256


@given(st.text(max_size=3000), st.text(max_size=3000), st.text(max_size=3000), st.integers(0, 599))
def test_datagram_never_exceeds_its_limit(iri: str, message: str, text: str, code: int) -> None:
    report = Report(CHAIN, iri, "h" * 300, message, code, text)
    datagram = report.datagram()
    assert len(datagram) <= MAX_DATAGRAM_BYTES
    told = json.loads(datagram)
    assert told["id"] == ID
    assert text.startswith(told.get("responseText", ""))


def test_text_that_fits_the_datagram_is_not_cut() -> None:
    report = Report(CHAIN, "/orders", "me:80", "answered with 500", 500, "x" * 500)
    assert json.loads(report.datagram())["responseText"] == "x" * 500
