"""Forwarding of one URL: by a ticket, and by a signed token."""

import time
from collections.abc import Mapping

import jwt
import pytest

from test.companions.archive.origins import Origin
from test.companions.archive.service.services import Answer, Service
from test.wire import TruncatedError


@pytest.fixture(scope="session")
def signer(service: Service) -> tuple[str, str]:
    """The name and the secret of a client that signs URLs."""
    return service.named_client(keeps_secret=True)


def token(key: str, **claims: object) -> str:
    return jwt.encode(claims, key, "HS256")


def test_stream_ticket_forwards_the_response_of_its_url(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    item = {"url": f"{shared_origin.url}/text/a", "name": "caf\xe9.txt"}
    answer = service.download(service.ticket(secret, item, type="stream"))
    assert (answer.status, answer.body) == (200, b"text of /text/a")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Length"] == "15"
    expected = "attachment; filename=\"cafe.txt\"; filename*=UTF-8''caf%C3%A9.txt"
    assert answer.headers["Content-Disposition"] == expected
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["Cache-Control"] == "no-store"


def test_stream_ticket_sends_one_request_to_the_origin(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    path = f"/text/once-{service.port}"
    service.download(service.ticket(secret, shared_origin.url + path, type="stream"))
    assert len(shared_origin.asked(path)) == 1


def test_error_status_of_the_origin_gets_502(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/missing/a", type="stream")
    answer = service.download(id_)
    assert (answer.status, answer.json) == (502, {"errors": {"url": "It answered 404."}})


def test_redirect_to_another_origin_gets_502(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/away/a", type="stream")
    answer = service.download(id_)
    assert (answer.status, answer.json) == (
        502,
        {"errors": {"url": "redirected: http://192.0.2.1 is not allowed"}},
    )


def test_truncated_body_of_the_origin_truncates_the_response(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    id_ = service.ticket(secret, f"{shared_origin.url}/dies/a", type="stream")
    with service.begin(id_) as wire, pytest.raises(TruncatedError) as cut:
        wire.response()
    assert cut.value.args[0] == b"x" * 100


def test_signed_url_is_forwarded_repeatedly(
    service: Service, signer: tuple[str, str], shared_origin: Origin
) -> None:
    name, key = signer
    url = f"{shared_origin.url}/text/a"
    signed = token(
        key,
        url={"url": url, "name": "b.txt"},
        **{"content-type": "text/csv", "response_headers": {"X-Extra": "1"}},
    )
    for _ in range(2):  # unlike a ticket, a signed URL is usable more than once
        answer = service.ask(f"/stream/url/{signed}?client={name}")
        assert (answer.status, answer.body) == (200, b"text of /text/a")
        assert answer.headers["Content-Type"] == "text/csv"
        assert answer.headers["X-Extra"] == "1"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="b.txt"'


def test_signed_response_headers_override_other_fields(
    service: Service, signer: tuple[str, str], shared_origin: Origin
) -> None:
    name, key = signer
    fields = {"content-disposition": "inline", "Content-Type": "text/x"}
    url = f"{shared_origin.url}/text/a"
    signed = token(key, url=url, response_headers=fields, **{"content-type": "text/csv"})
    answer = service.ask(f"/stream/url/{signed}?client={name}")
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["Content-Type"] == "text/x"


def problem(answer: Answer) -> str:
    assert answer.status == 422
    content = answer.json
    assert isinstance(content, dict)
    assert list(content["errors"]) == ["url"]
    return str(content["errors"]["url"]["url"])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({}, "Must be a mapping with `url` key"),
        ({"url": 1}, "Neither a URL nor an object with one."),
        ({"url": {"name": "x"}}, "Missing `url`, which is a string."),
        ({"url": "http://192.0.2.1/"}, "http://192.0.2.1 is not allowed"),
        ({"url": "/path"}, "a /path needs a site, and none is configured"),
        ({"url": "ORIGIN", "exp": 1}, "Signature has expired"),
        ({"url": "ORIGIN", "nbf": time.time() + 1000}, "not yet valid"),
        ({"url": "ORIGIN", "content-type": "a\r\nb: c"}, "control characters"),
        ({"url": "ORIGIN", "response_headers": {"A": 1}}, "not an object of strings"),
        ({"url": "ORIGIN", "response_headers": {"A": "\r\n"}}, "control characters"),
        ({"url": "ORIGIN", "response_headers": {"Content-Length": "1"}}, "cannot be chosen"),
    ],
)
def test_invalid_claims_get_422(
    service: Service,
    signer: tuple[str, str],
    shared_origin: Origin,
    claims: Mapping[str, object],
    reason: str,
) -> None:
    name, key = signer
    if claims.get("url") == "ORIGIN":
        claims = {**claims, "url": f"{shared_origin.url}/text/a"}
    assert reason in problem(service.ask(f"/stream/url/{token(key, **claims)}?client={name}"))


def test_invalid_signature_gets_422(service: Service, signer: tuple[str, str]) -> None:
    name, key = signer
    forged = token("x" * 43, url="http://192.0.2.1/")
    assert problem(service.ask(f"/stream/url/{forged}?client={name}")) == (
        "Signature verification failed"
    )
    assert problem(service.ask(f"/stream/url/nonsense?client={name}")) == "Not enough segments"
    unsigned = jwt.encode({"url": "http://192.0.2.1/"}, "", "none")
    assert "alg value" in problem(service.ask(f"/stream/url/{unsigned}?client={name}"))
    other = jwt.encode({"url": "http://192.0.2.1/"}, key * 2, "HS512")
    assert "alg value" in problem(service.ask(f"/stream/url/{other}?client={name}"))


def test_missing_client_gets_422_and_unknown_client_404(
    service: Service, signer: tuple[str, str]
) -> None:
    answer = service.ask("/stream/url/x")
    missing = {"query": {"client": ["Missing data for required field."]}}
    assert (answer.status, answer.json) == (422, {"errors": missing})
    hidden, _ = service.named_client()
    for name in ("nobody", "", "%00", "%ff", hidden):
        answer = service.ask(f"/stream/url/x?client={name}")
        assert (answer.status, answer.json) == (404, {"errors": {"client": "Client not found"}})


def test_head_gets_405(service: Service) -> None:
    assert service.ask("/stream/url/x?client=x", "HEAD").status == 405
