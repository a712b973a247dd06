"""The URLs of dashboard and site, by the host that the client used."""

import pytest

from httpprocessproxy.core.http.hosts import names_dashboard
from httpprocessproxy.core.page.places import DashboardPlaces

PLACES = DashboardPlaces("http", "localhost", 8000, 8002, has_host=True)
UNCOVERED = DashboardPlaces("https", "localhost", 443, 8002, has_host=False)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost:8000", "http://hpp.localhost:8000/"),
        ("localhost.:8000", "http://hpp.localhost:8000/"),
        ("app.localhost:8000", "http://hpp.localhost:8000/"),
        ("127.0.0.1:8000", "http://hpp.localhost:8000/"),
        ("[::1]:8000", "http://hpp.localhost:8000/"),
        ("localhost:9000", "http://hpp.localhost:9000/"),  # a forwarded port
        ("localhost", "http://hpp.localhost/"),
        ("192.168.1.5:8000", "http://192.168.1.5:8002/"),
        ("[fe80::1]:8000", "http://[fe80::1]:8002/"),
        ("devbox:8000", "http://devbox:8002/"),
        ("", "http://hpp.localhost:8000/"),
    ],
)
def test_dashboard_url_is_reachable_for_the_client(host: str, url: str) -> None:
    assert PLACES.url_for(host) == url


def test_dashboard_has_its_own_port_without_a_certificate_for_its_host() -> None:
    assert UNCOVERED.url_for("localhost") == "https://localhost:8002/"
    assert UNCOVERED.urls == ("https://localhost:8002/",)


def test_both_urls_of_the_dashboard_are_listed() -> None:
    assert PLACES.urls == ("http://hpp.localhost:8000/", "http://localhost:8002/")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("hpp.localhost:9000", "http://localhost:9000/"),
        ("192.168.1.5:8002", "http://192.168.1.5:8000/"),
    ],
)
def test_site_url_is_reachable_for_the_client(host: str, url: str) -> None:
    assert PLACES.site_url(host) == url


@pytest.mark.parametrize(
    ("host", "path", "url"),
    [
        ("", "", "http://localhost:8000/"),
        ("", "/api", "http://localhost:8000/api/"),
        ("api.localhost", "", "http://api.localhost:8000/"),
        ("api.localhost", "/v1", "http://api.localhost:8000/v1/"),
    ],
)
def test_route_has_a_url(host: str, path: str, url: str) -> None:
    assert PLACES.route_url(host, path) == url


@pytest.mark.parametrize("host", [b"hpp.localhost", b"HPP.LocalHost:1", b"hpp.localhost.:8000"])
def test_dashboard_host_is_recognized(host: bytes) -> None:
    assert names_dashboard(host)


@pytest.mark.parametrize(
    "host", [b"localhost", b"xhpp.localhost", b"hpp.localhost.evil.example", b"hppxlocalhost", b""]
)
def test_other_host_is_the_site(host: bytes) -> None:
    assert not names_dashboard(host)
