"""The origins of the running site, and the request targets of the archive."""

from pathlib import Path

import pytest

from httpprocessproxy.companions.archive.companion import Archive, site_of
from httpprocessproxy.companions.archive.mount_options import ArchiveOptions
from httpprocessproxy.companions.fetch_client import FetchOrigin
from httpprocessproxy.config import Address, Config, ListenConfig, ServiceConfig, TlsConfig

VISITS = Path("visits")
SERVICE = ServiceConfig(Address("localhost", 8001))
LOOPBACK = {"http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"}

BOUND = [
    ("localhost", LOOPBACK),
    ("127.0.0.1", LOOPBACK),
    ("", {*LOOPBACK, "http://0.0.0.0:8000", "http://[::]:8000"}),
    ("192.168.1.1", {"http://192.168.1.1:8000"}),
]


@pytest.mark.parametrize(("host", "names"), BOUND)
def test_site_has_an_alias_for_each_listening_address(host: str, names: set[str]) -> None:
    site = site_of(Config(ListenConfig(Address(host, 8000)), (SERVICE,)), VISITS)
    assert {str(origin) for origin in site.aliases} == names
    assert site.socket == VISITS
    assert site.has(site.origin)


def test_allowed_hosts_without_wildcards_are_aliases_of_the_site() -> None:
    hosts = ("Shop.test", "*.shop.test", ".a.test", "*")
    config = Config(
        ListenConfig(Address("192.168.1.1", 8443), hosts), (SERVICE,), tls=TlsConfig(enabled=True)
    )
    site = site_of(config, VISITS)
    assert {str(origin) for origin in site.aliases} == {
        "https://192.168.1.1:8443",
        "https://shop.test:8443",
    }
    assert not site.has(FetchOrigin.parse("http://shop.test:8443"))


def test_archive_has_no_socket_until_it_runs() -> None:
    archive = Archive(ArchiveOptions())
    assert archive.socket_for(b"/_hpp/archive/ticket/") is None
