"""Routing errors, CORS, database errors, and names of downloads (RFC 6266)."""

import contextlib
import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpprocessproxy.companions.archive.service.answers import attachment
from test.companions.archive.postgres import cluster
from test.companions.archive.service.services import Service, sqlite

PREFLIGHT = {"Origin": "http://page", "Access_Control_Request_Method": "POST"}


@pytest.fixture(scope="module")
def one_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that allows one CORS origin."""
    url = sqlite(tmp_path_factory.mktemp("one_origin"))
    with Service(url, "--cors-origins", "http://page", FPX_LOG_LEVEL="debug") as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/ticket/x", "/ticket/x/", "/stream/url/", "/nowhere"])
def test_unknown_path_gets_404_with_a_message(service: Service, path: str) -> None:
    answer = service.ask(path)
    assert (answer.status, answer.json) == (
        404,
        {"description": "Not Found", "status": 404, "message": f"Requested URL {path} not found"},
    )


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/ticket/", "GET"),
        ("GET", "/ticket/generate", "POST"),
        ("DELETE", "/ticket/x/download", "GET"),
        ("HEAD", "/ticket/x/wait", "GET"),
        ("OPTIONS", "/ticket/generate", "POST"),
    ],
)
def test_wrong_method_gets_405_with_allow(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = service.ask(path, method)
    assert answer.status == 405
    assert allowed in answer.headers["Allow"].replace(" ", "").split(",")
    if method != "HEAD":
        message = f"Method {method} not allowed for URL {path}"
        expected = {"description": "Method Not Allowed", "status": 405, "message": message}
        assert answer.json == expected


def test_any_origin_is_allowed_by_default(service: Service) -> None:
    answer = service.ask("/ticket/x/download", Origin="http://page")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    preflight = service.ask("/ticket/generate", "OPTIONS", b"", **PREFLIGHT)
    assert preflight.status == 204
    assert "X-Fpx-Authorize" in preflight.headers["Access-Control-Allow-Headers"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Origin" not in service.ask("/ticket/x/download").headers


def test_only_the_configured_origin_is_allowed(one_origin: Service) -> None:
    for origin, allowed in (("http://page", "http://page"), ("http://other", None)):
        answer = one_origin.ask("/ticket/x/download", Origin=origin)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        assert answer.headers["Vary"] == "Origin"


def test_without_cors_origins_no_origin_is_allowed(tight: tuple[Service, object]) -> None:
    answer = tight[0].ask("/ticket/x/download", Origin="http://page")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert tight[0].ask("/ticket/generate", "OPTIONS", b"", **PREFLIGHT).status == 405


def test_requests_get_503_when_the_database_stops() -> None:
    with contextlib.ExitStack() as exits:
        url = exits.enter_context(cluster()).database()
        with Service(url) as service:
            secret = service.client()
            assert service.generate(secret, items=[]).status == 200
            exits.close()
            later = {"errors": {"database": "Try again later"}}
            for _ in range(2):  # first on a broken connection, then without one
                answer = service.generate(secret, items=[])
                assert (answer.status, answer.json) == (503, later)
            assert secret not in service.output


FIELD = re.compile(
    r'attachment; filename="(?P<plain>[ !#-\[\]-~]+)"'
    r"(?:; filename\*=UTF-8''(?P<full>(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-F]{2})+))?"
)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("", 'filename="all.zip"'),
        ("..", 'filename="all.zip"'),
        ("a b.zip", 'filename="a b.zip"'),
        ("../../etc/x.zip", 'filename="x.zip"'),
        ("C:\\x\\y.zip", 'filename="y.zip"'),
        ('a"b.zip', "filename=\"a_b.zip\"; filename*=UTF-8''a%22b.zip"),
        ("100%41.zip", "filename=\"100_41.zip\"; filename*=UTF-8''100%2541.zip"),
        ("caf\xe9.zip", "filename=\"cafe.zip\"; filename*=UTF-8''caf%C3%A9.zip"),
        ("\u65e5\u672c", "filename=\"all.zip\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ("a\r\nSet-Cookie: b", 'filename="aSet-Cookie: b"'),
        ("a\u202egpj.exe", 'filename="agpj.exe"'),
    ],
)
def test_filename_is_sanitized_and_encoded(name: str, field: str) -> None:
    assert attachment(name, "all.zip") == f"attachment; {field}"


@given(st.text())
def test_arbitrary_name_gives_a_valid_field(name: str) -> None:
    match = FIELD.fullmatch(attachment(name, "all.zip"))
    assert match
    if match["full"]:
        full = unquote(match["full"], errors="strict")
        assert not set(full) & set("/\\\r\n\0")
        assert set(full) <= set(name)
