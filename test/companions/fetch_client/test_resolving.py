"""Filtering of resolved addresses."""

import asyncio

import pytest

from httpprocessproxy.companions.fetch_client import FetchOrigin, OriginGuard, Refused
from httpprocessproxy.companions.fetch_client.resolving import CheckedResolver
from test.companions.fetch_client.servers import Names


def addresses(names: Names, host: str) -> list[str]:
    resolver = CheckedResolver(OriginGuard([FetchOrigin.parse("http://x.example")]), names.resolve)
    return [found["host"] for found in asyncio.run(resolver.resolve(host, 80))]


def test_addresses_that_are_not_permitted_are_removed() -> None:
    names = Names({"x.example": [["127.0.0.1", "1.1.1.1", "::ffff:10.0.0.1"]]})
    assert addresses(names, "x.example") == ["1.1.1.1"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "64:ff9b::7f00:1"])
def test_name_without_a_permitted_address_is_refused(address: str) -> None:
    with pytest.raises(Refused, match=r"x\.example leads to "):
        addresses(Names({"x.example": [[address]]}), "x.example")


def test_unknown_name_raises_os_error() -> None:
    with pytest.raises(OSError, match="no such name"):
        addresses(Names({}), "y.example")


def test_localhost_is_resolved_by_the_system() -> None:
    resolver = CheckedResolver(OriginGuard([FetchOrigin.parse("http://localhost")]))
    found = asyncio.run(resolver.resolve("localhost", 80))
    assert {answer["host"] for answer in found} <= {"127.0.0.1", "::1"}
    assert found
