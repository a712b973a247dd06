"""Creation and listing of tickets: the contract, against a service as a process."""

import base64
import json
import uuid
from datetime import UTC, datetime

import pytest

from test.companions.archive.origins import Origin
from test.companions.archive.service.services import Service

NO_CLIENT = {"errors": {"access": "Only clients authorized to use this endpoint"}}


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def test_new_ticket_has_created_type_and_id(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    answer = service.generate(secret, items=[f"{shared_origin.url}/text/a"])
    assert answer.status == 200
    made = answer.json
    assert isinstance(made, dict)
    assert list(made) == ["created", "type", "id"]
    assert made["type"] == "zip"
    assert uuid.UUID(made["id"]).version == 4
    age = datetime.now(UTC) - datetime.fromisoformat(made["created"])
    assert 0 <= age.total_seconds() < 60
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_items_and_options_may_be_base64(
    service: Service, secret: str, shared_origin: Origin
) -> None:
    items = encoded([{"url": f"{shared_origin.url}/text/a", "name": "b"}])
    answer = service.generate(secret, items=items, options=encoded({"filename": "all.zip"}))
    assert answer.status == 200
    assert isinstance(answer.json, dict)
    brought = service.download(answer.json["id"])
    assert brought.headers["Content-Disposition"] == 'attachment; filename="all.zip"'
    assert brought.members == {"b": b"text of /text/a"}


def test_ticket_without_items_is_an_empty_archive(service: Service, secret: str) -> None:
    assert service.download(service.ticket(secret)).members == {}


@pytest.mark.parametrize("field", ["X-Fpx-Authorize", "Authorization", "Authorize"])
@pytest.mark.parametrize("form", ["{}", "Bearer {}"])
def test_secret_is_accepted_in_each_field_and_form(
    service: Service, secret: str, field: str, form: str
) -> None:
    headers = {field.replace("-", "_"): form.format(secret)}
    assert service.ask("/ticket/generate", "POST", b'{"items": []}', **headers).status == 200


def test_wrong_secret_in_the_first_field_gets_401(service: Service, secret: str) -> None:
    fields = {"X_Fpx_Authorize": "wrong", "Authorization": secret}
    assert service.ask("/ticket/generate", "POST", b'{"items": []}', **fields).status == 401


@pytest.mark.parametrize("path", ["/ticket/generate", "/ticket/", "/ticket"])
@pytest.mark.parametrize("wrong_secret", [None, "", "x" * 43, "Bearer", "\xe9"])
def test_request_without_a_valid_secret_gets_401(
    service: Service, path: str, wrong_secret: str | None
) -> None:
    method = "POST" if path.endswith("generate") else "GET"
    headers = {} if wrong_secret is None else {"Authorization": wrong_secret}
    answer = service.ask(path, method, b"", **headers)
    assert (answer.status, answer.json) == (401, NO_CLIENT)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b'{"items": []}', 200),
        ("application/json; charset=utf-8", b'{"items": []}', 200),
        ("application/x-www-form-urlencoded", b'{"items": []}', 200),
        ("application/x-www-form-urlencoded", b' \n{"items": []}', 200),
        ("application/x-www-form-urlencoded", b"items=1", 422),
        ("application/json", b"", 422),
        ("application/json", b'{"items": [', 400),
        ("text/plain", b'{"items": [', 400),
        ("application/json", b"\xff", 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/json", b"[]", 422),
    ],
)
def test_body_is_parsed_by_type_or_first_character(
    service: Service, secret: str, content_type: str, body: bytes, status: int
) -> None:
    headers = {"Authorization": secret, "Content_Type": content_type}
    answer = service.ask("/ticket/generate", "POST", body, **headers)
    assert answer.status == status
    if status == 400:
        assert answer.json == {"errors": {"json": ["Invalid JSON body."]}}
    if status == 422 and body != b"[]":
        assert answer.json == {"errors": {"json": {"items": ["Missing data for required field."]}}}


def test_all_wrong_fields_are_reported_at_once(service: Service, secret: str) -> None:
    items = ["http://192.0.2.1/", {"name": "x"}]
    answer = service.generate(secret, items=items, type="tar", options="*", extra=1)
    assert answer.status == 422
    assert answer.json == {
        "errors": {
            "json": {
                "extra": ["Unknown field."],
                "items": {
                    "0": ["http://192.0.2.1 is not allowed"],
                    "1": ["Missing `url`, which is a string."],
                },
                "type": ["Must be one of: zip, stream."],
                "options": ["Not a valid base64-encoded value"],
            }
        }
    }


def test_too_many_items_get_422_and_a_too_large_body_413(tight: tuple[Service, Origin]) -> None:
    service, origin = tight
    secret, url = service.client(), f"{origin.url}/text/a"
    assert service.generate(secret, items=[url] * 2).status == 200
    answer = service.generate(secret, items=[url] * 3)
    longer = {"items": ["Longer than maximum length 2."]}
    assert (answer.status, answer.json) == (422, {"errors": {"json": longer}})
    answer = service.generate(secret, items=["x" * 200])
    assert answer.status == 413
    assert isinstance(answer.json, dict)
    assert answer.json["description"] == "Request Entity Too Large"


def test_tickets_are_listed_in_pages(service: Service, secret: str) -> None:
    def listed(path: str) -> dict[str, object]:
        answer = service.ask(path, Authorization=secret)
        assert answer.status == 200
        assert isinstance(answer.json, dict)
        return answer.json

    for _ in range(11):
        service.ticket(secret)
    count = listed("/ticket")["count"]
    assert isinstance(count, int)
    last = (count + 9) // 10
    assert last > 1
    for path, page, length in (
        ("/ticket/", 1, 10),
        ("/ticket", 1, 10),
        ("/ticket/?page=2", 2, min(10, count - 10)),
        (f"/ticket?page={last}", last, count - 10 * (last - 1)),
        (f"/ticket/?page={last + 1}", last + 1, 0),
        ("/ticket/?page=99999999999999999999", 10**9, 0),
    ):
        found = listed(path)
        tickets = found["tickets"]
        assert isinstance(tickets, list)
        assert (found["page"], found["count"], len(tickets)) == (page, count, length)
        assert all(set(ticket) == {"created", "type"} for ticket in tickets)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("0", "Must be greater than or equal to 1."),
        ("-5", "Must be greater than or equal to 1."),
        ("x", "Not a valid integer."),
        ("", "Not a valid integer."),
        ("1.5", "Not a valid integer."),
    ],
)
def test_invalid_page_gets_422(service: Service, secret: str, page: str, message: str) -> None:
    answer = service.ask(f"/ticket/?page={page}", Authorization=secret)
    assert (answer.status, answer.json) == (422, {"errors": {"query": {"page": [message]}}})
